/// What a Range field asks for (RFC 9110, 14.1.2).
enum ByteRanges: Equatable {
    /// Everything: there is no such field, or none that is understood.
    case all
    /// These, of which none is empty.
    case some([Range<Int>])
    /// None of them exists.
    case none

    /// More ranges than this, or ranges that come to more than the whole, are an attack or a mistake: the whole is sent.
    private static let limit = 16

    /// - Parameters:
    ///   - field: its value, if there is one.
    ///   - length: of the file.
    init(_ field: String?, length: Int) {
        self = .all
        guard let field, field.lowercased().hasPrefix("bytes=") else { return }
        var ranges: [Range<Int>] = []
        let specifications = field.dropFirst(6).split(separator: ",")
        guard !specifications.isEmpty, specifications.count <= Self.limit else { return }
        for specification in specifications {
            let text = specification.filter { $0 != " " && $0 != "\t" }
            let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return }
            switch (Self.number(parts[0]), Self.number(parts[1]), parts[0].isEmpty, parts[1].isEmpty) {
            case (let first?, let last?, _, _):
                guard first <= last else { return }
                if first < length { ranges.append(first..<min(last, length - 1) + 1) }
            case (let first?, nil, _, true):
                if first < length { ranges.append(first..<length) }
            case (nil, let count?, true, _):
                if count > 0, length > 0 { ranges.append(max(0, length - count)..<length) }
            default: return
            }
        }
        guard ranges.reduce(0, { $0 + $1.count }) <= length else { return }
        self = ranges.isEmpty ? .none : .some(ranges)
    }

    private static func number(_ text: some StringProtocol) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy(\.isDigit) else { return nil }
        return Int(text) ?? .max - 1
    }
}
