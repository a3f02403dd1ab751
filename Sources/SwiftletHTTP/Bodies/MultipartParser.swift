package import HTTPTypes

/// Takes a multipart body (RFC 2046, 5.1, and RFC 7578) apart, in pieces of any size.
///
/// States: preamble -> (headers -> content)* -> end. What stands before the first and behind the last delimiter is
/// dropped.
package struct MultipartParser {
    package enum Event: Equatable {
        /// A part begins; its content follows.
        case part(HTTPFields)
        /// Some of the part's content.
        case data([UInt8])
        /// The content was complete.
        case partEnd
        /// The last delimiter has come.
        case end
        /// Feed more, or finish.
        case incomplete
    }

    private enum State {
        case preamble
        case headers
        case content
        case delimiter(afterPart: Bool)
        case end
    }

    static let headerLength = 16 * 1024
    static let headerCount = 32
    /// Behind a delimiter there may be blanks before the end of the line; nobody sends any.
    private static let paddingLength = 256

    /// `\r\n--boundary`
    private let delimiter: [UInt8]
    /// Begins with a line ending, so that a delimiter at the very start of the body is like any other.
    private var buffer: [UInt8] = Array("\r\n".utf8)
    private var position = 0
    private var state = State.preamble

    /// - Parameter boundary: of the Content-Type field.
    /// - Throws: `HTTPParseError` for one that is empty or longer than 70 characters (RFC 2046, 5.1.1).
    package init(boundary: String) throws(HTTPParseError) {
        guard (1...70).contains(boundary.utf8.count), boundary.utf8.allSatisfy(\.isFieldValueCharacter) else {
            throw Self.fault("its boundary is missing, or is none")
        }
        delimiter = Array("\r\n--\(boundary)".utf8)
    }

    package mutating func feed(_ bytes: [UInt8]) {
        if position > 0 {
            buffer.removeSubrange(..<position)
            position = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next event in what has been fed.
    package mutating func next() throws(HTTPParseError) -> Event {
        while true {
            switch state {
            case .preamble:
                guard let found = findDelimiter() else {
                    dropAllBut(delimiter.count - 1)
                    return .incomplete
                }
                position = found + delimiter.count
                state = .delimiter(afterPart: false)
            case .delimiter(let afterPart):
                if afterPart {
                    state = .delimiter(afterPart: false)
                    return .partEnd
                }
                guard try passDelimiterLine() else { return .incomplete }
            case .headers:
                guard let (fields, end) = try Self.headers(in: buffer.span, from: position) else { return .incomplete }
                position = end
                state = .content
                return .part(fields)
            case .content:
                if let found = findDelimiter() {
                    let data = Array(buffer[position..<found])
                    position = found + delimiter.count
                    state = .delimiter(afterPart: true)
                    if !data.isEmpty { return .data(data) }
                } else {
                    // The last bytes may be the beginning of a delimiter.
                    let end = buffer.count - (delimiter.count - 1)
                    guard end > position else { return .incomplete }
                    let data = Array(buffer[position..<end])
                    position = end
                    return .data(data)
                }
            case .end:
                position = buffer.count
                return .end
            }
        }
    }

    /// Says that the body has ended.
    package func finish() throws(HTTPParseError) {
        guard case .end = state else { throw Self.fault("it ends before its last boundary") }
    }

    /// What follows a delimiter: `--` for the last, or the end of the line.
    private mutating func passDelimiterLine() throws(HTTPParseError) -> Bool {
        let rest = buffer[position...]
        guard rest.count >= 2 else { return false }
        if rest.starts(with: "--".utf8) {
            state = .end
            return true
        }
        guard let end = rest.prefix(Self.paddingLength).firstIndex(where: { !$0.isBlank }) else {
            guard rest.count < Self.paddingLength else { throw Self.fault("a boundary is followed by too many blanks") }
            return false
        }
        guard end + 1 < buffer.count else { return false }
        guard buffer[end] == .carriageReturn, buffer[end + 1] == .lineFeed else {
            throw Self.fault("a boundary is followed by something else than the end of the line")
        }
        position = end + 2
        state = .headers
        return true
    }

    private static func headers(
        in bytes: Span<UInt8>, from start: Int
    ) throws(HTTPParseError) -> (fields: HTTPFields, end: Int)? {
        var scanner = LineScanner(startingAt: start, budget: headerLength)
        var section = FieldSection(countLimit: headerCount)
        while true {
            let kind = LineKind.fieldLine(number: section.lineCount + 1)
            guard let line = try scanner.nextLine(in: bytes, limit: headerLength, kind: kind) else { return nil }
            if line.isEmpty { return (section.fields, scanner.lineStart) }
            section.append(try section.parse(bytes.extracting(line), kind: kind))
        }
    }

    /// Where the next delimiter begins. Each begins with a carriage return, of which there are few.
    private func findDelimiter() -> Int? {
        var start = position
        while buffer.count - start >= delimiter.count {
            let last = buffer.count - delimiter.count
            guard let found = buffer[start...last].firstIndex(of: .carriageReturn) else { return nil }
            if buffer[found...].starts(with: delimiter) { return found }
            start = found + 1
        }
        return nil
    }

    private mutating func dropAllBut(_ count: Int) { position = max(position, buffer.count - count) }

    static func fault(_ problem: String) -> HTTPParseError {
        HTTPParseError(.invalidMultipart, "the multipart body cannot be read: \(problem)")
    }
}
