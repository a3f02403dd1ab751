import HTTPTypes

/// One step of taking a body out of a buffer. Positions count from the start of the bytes passed in.
package enum BodyStep: Sendable, Hashable {
    /// The bytes in this range belong to the body. Drop everything up to its end and go on.
    case data(Range<Int>)
    /// More bytes are needed. Drop this many, then pass the rest again with more behind it.
    case incomplete(consumed: Int)
    /// The body is over after this many bytes; what follows is the next message.
    case end(consumed: Int)
}

/// Takes a chunked body apart (RFC 9112, 7.1).
struct ChunkedDecoder {
    private enum State {
        case sizeLine
        case data(remaining: Int)
        case dataEnd
        case trailers
        case end
    }

    /// The fields that followed the last chunk. They are kept apart from the head's, as RFC 9110, 6.5.1 wants.
    var trailers: HTTPFields {
        section.fields
    }

    private let limits: HTTPLimits
    private var state = State.sizeLine
    private var scanner = LineScanner()
    private var section: FieldSection
    private var bodyLength = 0
    private var extensionsLength = 0

    init(limits: HTTPLimits = .default) {
        self.limits = limits
        section = FieldSection(countLimit: limits.trailerFieldCount)
    }

    /// Decodes up to the next piece of data, or to the end of what is there.
    mutating func next(in bytes: Span<UInt8>) throws(HTTPParseError) -> BodyStep {
        var position = 0
        while true {
            switch state {
            case .sizeLine:
                guard
                    let line = try scanner.nextLine(in: bytes, limit: limits.chunkSizeLineLength, kind: .chunkSizeLine)
                else { return incomplete(position) }
                position = scanner.lineStart
                try beginChunk(ChunkSizeLine(parsing: bytes.extracting(line)), at: position)
            case .data(let remaining):
                guard position < bytes.count else { return .incomplete(consumed: position) }
                let count = min(remaining, bytes.count - position)
                state = count == remaining ? .dataEnd : .data(remaining: remaining - count)
                return .data(position..<(position + count))
            case .dataEnd:
                guard position < bytes.count else { return .incomplete(consumed: position) }
                let isEnding = bytes[position] == .carriageReturn
                guard !isEnding || position + 1 < bytes.count else { return .incomplete(consumed: position) }
                guard isEnding && bytes[position + 1] == .lineFeed else {
                    throw HTTPParseError(.invalidLineEnding, "a chunk's data is not followed by a line ending")
                }
                position += 2
                state = .sizeLine
                scanner = LineScanner(startingAt: position)
            case .trailers:
                let kind = LineKind.trailerLine(number: section.lineCount + 1)
                guard let line = try scanner.nextLine(in: bytes, limit: limits.fieldLineLength, kind: kind) else {
                    return incomplete(position)
                }
                position = scanner.lineStart
                if line.isEmpty {
                    state = .end
                } else {
                    try appendTrailer(bytes.extracting(line), kind: kind)
                }
            case .end:
                return .end(consumed: position)
            }
        }
    }

    /// The caller drops everything before the line that is not complete.
    private mutating func incomplete(_ position: Int) -> BodyStep {
        scanner.rebase(by: position)
        return .incomplete(consumed: position)
    }

    private mutating func beginChunk(_ line: ChunkSizeLine, at position: Int) throws(HTTPParseError) {
        extensionsLength += line.extensionsLength
        guard extensionsLength <= limits.chunkExtensionsLength else {
            throw HTTPParseError(
                .invalidChunk, "the chunk extensions are longer than \(limits.chunkExtensionsLength) bytes together")
        }
        let (length, overflows) = bodyLength.addingReportingOverflow(line.size)
        guard !overflows && length <= limits.bodyLength ?? .max else {
            throw HTTPParseError(.bodyTooLong, "the body is longer than \(limits.bodyLength ?? .max) bytes")
        }
        bodyLength = length
        if line.size > 0 {
            state = .data(remaining: line.size)
        } else {
            state = .trailers
            scanner = LineScanner(startingAt: position, budget: limits.trailerLength)
        }
    }

    private mutating func appendTrailer(_ line: Span<UInt8>, kind: LineKind) throws(HTTPParseError) {
        let field = try section.parse(line, kind: kind)
        switch field.name.canonicalName {
        case "content-length", "transfer-encoding", "host", "trailer":
            // RFC 9110, 6.5.1: what decides about framing and routing cannot come after the fact.
            throw HTTPParseError(.invalidTrailer, "\(kind) is \(field.name), which may only stand in a head")
        default:
            section.append(field)
        }
    }
}

/// The line before a chunk: `chunk-size [ chunk-ext ]` (RFC 9112, 7.1).
private struct ChunkSizeLine {
    var size = 0
    var extensionsLength: Int

    init(parsing line: Span<UInt8>) throws(HTTPParseError) {
        var index = 0
        while index < line.count, let digit = line[index].hexadecimalValue {
            guard size <= Int.max >> 4 else {
                throw HTTPParseError(.bodyTooLong, "a chunk is larger than any body can be")
            }
            size = size << 4 | Int(digit)
            index += 1
        }
        guard index > 0 else {
            throw HTTPParseError(.invalidChunk, "a chunk size line does not begin with a hexadecimal number")
        }
        extensionsLength = line.count - index
        guard Self.areExtensions(line.extracting(index..<line.count)) else {
            throw HTTPParseError(.invalidChunk, "a chunk size is followed by something that is no chunk extension")
        }
    }

    /// Whether the bytes are any number of `BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ]` (7.1.1).
    ///
    /// No extension is understood, but each is checked, since a lenient reader can be made to find the end of this
    /// line somewhere else than the next one does.
    ///
    /// The blanks are "bad whitespace": nobody may send it, and a recipient must take it (RFC 9110, 5.6.3). llhttp refuses it.
    /// Taking it is safe: the size ends at the first byte that is no digit, and the line at its line ending, with and
    /// without. Blanks behind the size or an extension, in front of the line ending, are in no rule, and are refused.
    private static func areExtensions(_ bytes: Span<UInt8>) -> Bool {
        var index = 0
        func skip(_ predicate: (UInt8) -> Bool) -> Int {
            let start = index
            while index < bytes.count && predicate(bytes[index]) { index += 1 }
            return index - start
        }
        while index < bytes.count {
            _ = skip(\.isBlank)
            guard skip({ $0 == UInt8(ascii: ";") }) == 1 else { return false }
            _ = skip(\.isBlank)
            guard skip(\.isTokenCharacter) > 0 else { return false }
            let nameEnd = index
            _ = skip(\.isBlank)
            guard index < bytes.count && bytes[index] == UInt8(ascii: "=") else {
                // The blanks belong to the next extension's semicolon.
                index = nameEnd
                continue
            }
            index += 1
            _ = skip(\.isBlank)
            if index < bytes.count && bytes[index] == UInt8(ascii: "\"") {
                index += 1
                while index < bytes.count && bytes[index] != UInt8(ascii: "\"") {
                    if bytes[index] == UInt8(ascii: "\\") { index += 1 }
                    guard index < bytes.count && bytes[index].isFieldValueCharacter else { return false }
                    index += 1
                }
                guard index < bytes.count else { return false }
                index += 1
            } else {
                guard skip(\.isTokenCharacter) > 0 else { return false }
            }
        }
        return true
    }
}
