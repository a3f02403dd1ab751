import Glibc

/// The Date field (RFC 9110, 6.6.1), which changes once a second. Belongs to one loop.
final class DateField {
    private var second: time_t = -1
    private var stored: [UInt8] = []

    /// The field line of now, with its line ending.
    var line: [UInt8] {
        let now = time(nil)
        if now != second {
            second = now
            stored = Array("Date: \(Self.format(now))\r\n".utf8)
        }
        return stored
    }

    /// An IMF-fixdate (RFC 9110, 5.6.7). `strftime` would write it in the language of the process.
    static func format(_ second: time_t) -> String {
        var second = second
        var parts = tm()
        gmtime_r(&second, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)]) "
            + "\(parts.tm_year + 1900) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT"
    }
}
