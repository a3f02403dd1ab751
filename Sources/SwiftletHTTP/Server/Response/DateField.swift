import Glibc

/// The Date field (RFC 9110, 6.6.1), which changes once a second. Belongs to one loop.
final class DateField {
    private var second: time_t = -1
    private var storedLine: [UInt8] = []
    private var storedStart: [UInt8] = []

    /// The field line of now, with its line ending.
    var line: [UInt8] {
        update()
        return storedLine
    }

    /// The beginning of most responses: the status line of a 200, and the field.
    var startOfSuccess: [UInt8] {
        update()
        return storedStart
    }

    private func update() {
        let now = time(nil)
        guard now != second else { return }
        second = now
        storedLine = Array("Date: \(Self.format(now))\r\n".utf8)
        storedStart = Array("HTTP/1.1 200 OK\r\n".utf8) + storedLine
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

extension DateField {
    /// Reads an IMF-fixdate: seconds since 1970. `nil` for all else; the two obsolete forms are no longer sent.
    static func parse(_ text: String) -> Int? {
        let words = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard words.count == 6, words[5] == "GMT", let month = months.firstIndex(of: String(words[2])),
            let day = Int(words[1]), (1...31).contains(day), let year = Int(words[3]), (1...9999).contains(year)
        else { return nil }
        let clock = words[4].split(separator: ":").map { Int($0) ?? -1 }
        guard clock.count == 3, (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        var parts = tm()
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (CInt(year - 1900), CInt(month), CInt(day))
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (CInt(clock[0]), CInt(clock[1]), CInt(clock[2]))
        return timegm(&parts)
    }
}
