/// Dates of the Expires attribute (RFC 6265, 5.1.1): any order of a time, a day, a month and a year.
enum CookieDate {
    private static let months = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]

    /// Seconds since 1970, or `nil` if this is no date.
    static func seconds(_ text: String) -> Int64? {
        var time: (Int, Int, Int)?
        var day: Int?
        var month: Int?
        var year: Int?
        for token in text.utf8.split(whereSeparator: { isDelimiter($0) }) {
            if time == nil, let found = Self.time(token) {
                time = found
            } else if day == nil, let number = number(token, digits: 1...2) {
                day = number
            } else if month == nil, let found = Self.month(token) {
                month = found
            } else if year == nil, let number = number(token, digits: 2...4) {
                year = number < 70 ? number + 2000 : number < 100 ? number + 1900 : number
            }
        }
        guard let time, let day, let month, let year, (1...31).contains(day), year >= 1601, time.0 < 24, time.1 < 60,
            time.2 < 60
        else { return nil }
        let days = daysSince1970(year, month, day)
        return days * 86400 + Int64(time.0 * 3600 + time.1 * 60 + time.2)
    }

    /// The form of RFC 9110, 5.6.7.
    static func text(_ seconds: Int64) -> String {
        // Beyond the year 9999 there are no four digits to write it with.
        let seconds = min(max(seconds, 0), 253_402_300_799)
        let days = seconds / 86400
        let rest = Int(seconds % 86400)
        var (year, month) = (1970, 1)
        while daysSince1970(year + 1, 1, 1) <= days { year += 1 }
        while month < 12, daysSince1970(year, month + 1, 1) <= days { month += 1 }
        let day = Int(days - daysSince1970(year, month, 1)) + 1
        let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][Int(days % 7)]
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let name = months[month - 1]
        return "\(weekday), \(two(day)) \(name.prefix(1).uppercased())\(name.dropFirst()) \(year) "
            + "\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60)) GMT"
    }

    /// Everything but digits, letters, and the colons of a time.
    private static func isDelimiter(_ byte: UInt8) -> Bool {
        !(byte.isDigit || byte.isLetter || byte == .colon || byte >= 0x7F)
    }

    private static func time(_ token: Substring.UTF8View) -> (Int, Int, Int)? {
        let parts = token.split(separator: .colon, omittingEmptySubsequences: false)
        guard parts.count == 3, let hour = number(parts[0], digits: 1...2),
            let minute = number(parts[1], digits: 1...2),
            let second = number(parts[2], digits: 1...2)
        else { return nil }
        return (hour, minute, second)
    }

    private static func month(_ token: Substring.UTF8View) -> Int? {
        let name = String(Substring(token.prefix(3))).lowercased()
        return months.firstIndex(of: name).map { $0 + 1 }
    }

    /// The digits in front; what follows them is ignored, but it is no digit.
    private static func number(_ token: Substring.UTF8View, digits: ClosedRange<Int>) -> Int? {
        let leading = token.prefix { $0.isDigit }
        guard digits.contains(leading.count) else { return nil }
        return Int(Substring(leading))
    }

    /// Days of the Gregorian calendar.
    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        // Counted from the first of March, a leap day is a year's last.
        let year = month <= 2 ? year - 1 : year
        let monthFromMarch = (month + 9) % 12
        let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * monthFromMarch + 2) / 5 + day - 1
        return Int64(days - 719_468)
    }
}
