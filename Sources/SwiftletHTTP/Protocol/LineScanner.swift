import Glibc

/// Cuts a buffer that grows at its end into lines, looking at each byte once however slowly the bytes arrive.
///
/// The caller passes everything it has not dropped yet, from the same first byte on; after it dropped bytes it says so
/// with ``rebase(by:)``. Where the data was split on its way never changes the outcome, not even which limit is
/// reported as exceeded.
struct LineScanner {
    /// Where the line begins that is not cut yet.
    private(set) var lineStart: Int

    /// How far the search for its end has come.
    private var scanned: Int

    /// How many bytes all further lines may have together, line endings included.
    private var budget: Int

    init(startingAt start: Int = 0, budget: Int = .max) {
        lineStart = start
        scanned = start
        self.budget = budget
    }

    /// Cuts the next line, and returns its range without the line ending, or `nil` if its end has not arrived yet.
    ///
    /// A bare line feed is refused: RFC 9112, 2.2, lets a recipient take it for a line ending, but peers that differ
    /// over where a line ends can be played off against each other (request smuggling).
    mutating func nextLine(
        in bytes: Span<UInt8>, limit: Int, kind: LineKind
    ) throws(HTTPParseError) -> Range<Int>? {
        let allowed = min(limit, budget - 2)
        // The latest place for the line feed is after `allowed` bytes and a carriage return.
        let end = min(bytes.count, lineStart + max(0, min(allowed, bytes.count) + 2))
        let index =
            scanned < end ? bytes.extracting(scanned..<end).firstIndexOfLineFeed.map { scanned + $0 } ?? end : scanned
        scanned = index

        guard index < end else {
            let arrived = bytes.count - lineStart
            let endsWithCarriageReturn = arrived > 0 && bytes[bytes.count - 1] == .carriageReturn
            guard arrived - (endsWithCarriageReturn ? 1 : 0) <= allowed else {
                throw tooLong(limit: limit, kind: kind)
            }
            return nil
        }
        guard index > lineStart && bytes[index - 1] == .carriageReturn else {
            guard index - lineStart <= allowed else { throw tooLong(limit: limit, kind: kind) }
            throw HTTPParseError(
                .invalidLineEnding, "\(kind) ends with a bare line feed; lines end with carriage return, line feed")
        }
        let line = lineStart..<(index - 1)
        lineStart = index + 1
        scanned = lineStart
        budget -= line.count + 2
        return line
    }

    /// Says that the first `count` bytes, all before the current line, were dropped from the buffer.
    mutating func rebase(by count: Int) {
        lineStart -= count
        scanned -= count
    }

    private func tooLong(limit: Int, kind: LineKind) -> HTTPParseError {
        if limit <= budget - 2 {
            HTTPParseError(kind.tooLongCode, "\(kind) is longer than \(limit) bytes")
        } else {
            HTTPParseError(.headTooLong, "the section that \(kind) belongs to is longer than it may be")
        }
    }
}

extension Span<UInt8> {
    /// The position of the first line feed. The C library looks at many bytes at a time.
    fileprivate var firstIndexOfLineFeed: Int? {
        withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return nil }
            return memchr(start, CInt(UInt8.lineFeed), bytes.count).map { start.distance(to: $0) }
        }
    }
}
