/// The host and port of a URL or a Host field, split and validated (RFC 3986, 3.2.2 and 3.2.3).
struct Authority {
    /// The host as written; an IPv6 address is without its brackets.
    var host: String

    /// Whether the host was written in brackets.
    var isIPv6: Bool

    /// The port; `nil` if there is none or it is empty, which mean the same.
    var port: Int?
}

extension Authority {
    /// What can be wrong with an authority. Whoever parses one says it in their own words.
    enum Fault: Error {
        case invalidHost
        case invalidPort
    }

    /// Splits `host [ ":" port ]`. An empty host is for the caller to judge.
    init(parsing bytes: Span<UInt8>) throws(Fault) {
        var hostEnd = bytes.count
        if bytes.count > 0 && bytes[0] == UInt8(ascii: "[") {
            guard let bracket = bytes.firstIndex(where: { $0 == UInt8(ascii: "]") }),
                IPv6Syntax.isValid(bytes.extracting(1..<bracket))
            else { throw .invalidHost }
            host = String(ascii: bytes.extracting(1..<bracket))
            isIPv6 = true
            hostEnd = bracket + 1
        } else {
            hostEnd = Self.registeredNameEnd(bytes)
            host = String(ascii: bytes.extracting(0..<hostEnd))
            isIPv6 = false
        }
        guard hostEnd < bytes.count else { return }
        guard bytes[hostEnd] == .colon else { throw .invalidHost }
        port = try Self.port(bytes.extracting((hostEnd + 1)..<bytes.count))
    }

    /// Whether the bytes are an authority, without making anything of them.
    static func isValid(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.isEmpty || bytes[0] != UInt8(ascii: "[") else { return (try? Authority(parsing: bytes)) != nil }
        let hostEnd = registeredNameEnd(bytes)
        guard hostEnd < bytes.count else { return true }
        guard bytes[hostEnd] == .colon else { return false }
        do throws(Fault) {
            _ = try port(bytes.extracting((hostEnd + 1)..<bytes.count))
            return true
        } catch {
            return false
        }
    }

    /// Where the `reg-name` ends with which the bytes begin: a host name or an IPv4 address, perhaps empty.
    private static func registeredNameEnd(_ bytes: Span<UInt8>) -> Int {
        var index = 0
        while index < bytes.count {
            if bytes[index].isRegisteredNameCharacter {
                index += 1
            } else if bytes[index] == UInt8(ascii: "%"), PercentEncoding.isEscape(bytes, at: index) {
                index += 3
            } else {
                break
            }
        }
        return index
    }

    /// Reads a port: decimal digits up to 65535, or nothing.
    private static func port(_ digits: Span<UInt8>) throws(Fault) -> Int? {
        var value = 0
        for index in digits.indices {
            guard digits[index].isDigit else { throw .invalidPort }
            value = value * 10 + Int(digits[index] - .zero)
            guard value <= 65535 else { throw .invalidPort }
        }
        return digits.isEmpty ? nil : value
    }
}

/// The text form of an IPv6 address (RFC 4291, 2.2), without a zone, which has no meaning to a peer.
enum IPv6Syntax {
    /// Whether the bytes are an address: eight groups of up to four hexadecimal digits, where `::` stands for one or
    /// more zero groups, and the last two may be written as an IPv4 address.
    static func isValid(_ bytes: Span<UInt8>) -> Bool {
        var groups = 0
        var hasGap = false
        var index = 0
        if bytes.starts(with: "::") {
            hasGap = true
            index = 2
        }
        while index < bytes.count {
            var end = index
            while end < bytes.count && bytes[end].hexadecimalValue != nil { end += 1 }
            if end < bytes.count && bytes[end] == .point {
                guard isIPv4(bytes.extracting(index..<bytes.count)) else { return false }
                groups += 2
                break
            }
            guard (1...4).contains(end - index) else { return false }
            groups += 1
            index = end
            guard index < bytes.count else { break }
            guard bytes[index] == .colon, index + 1 < bytes.count else { return false }
            index += 1
            if bytes[index] == .colon {
                guard !hasGap else { return false }
                hasGap = true
                index += 1
            }
        }
        return hasGap ? groups < 8 : groups == 8
    }

    /// Whether the bytes are four decimal numbers up to 255 without leading zeros.
    private static func isIPv4(_ bytes: Span<UInt8>) -> Bool {
        var parts = 0
        var index = 0
        while true {
            let start = index
            var value = 0
            while index < bytes.count && bytes[index].isDigit && index - start < 3 {
                value = value * 10 + Int(bytes[index] - .zero)
                index += 1
            }
            guard index > start, value <= 255, index - start == 1 || bytes[start] != .zero else { return false }
            parts += 1
            if index == bytes.count { return parts == 4 }
            guard bytes[index] == .point, parts < 4 else { return false }
            index += 1
        }
    }
}
