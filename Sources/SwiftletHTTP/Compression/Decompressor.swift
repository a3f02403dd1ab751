/// Decodes a coded body piece by piece, within bounds.
///
/// ```swift
/// let decompressor = try Decompressor(.gzip)
/// var decoded: [UInt8] = []
/// try decompressor.decode(piece, into: &decoded)      // for each piece
/// try decompressor.finish()                           // at the body's end
/// ```
///
/// Thread rules: used by one stack at a time.
public final class Decompressor {
    /// How the body is coded.
    public let coding: ContentCoding
    private let limits: ExpansionLimits
    private var decoder: (any Coder)?
    private var codedLength = 0
    private var decodedLength = 0
    /// Between two streams of one body: before the first, or after one that another may follow.
    private var isAtBoundary = true
    /// The one stream that there can be has ended.
    private var hasEnded = false

    /// Makes a decoder for one body.
    ///
    /// - Throws: `CompressionError.unsupported`; `.outOfMemory`.
    public init(_ coding: ContentCoding, limits: ExpansionLimits = ExpansionLimits()) throws(CompressionError) {
        guard coding.isSupported else { throw .unsupported(coding) }
        self.coding = coding
        self.limits = limits
    }

    /// Decodes all of a piece and appends what comes out.
    ///
    /// Complexity: the output of one piece may be a thousand times as long as the piece; the limits are checked on the
    /// way. To decode in smaller steps use ``decode(_:into:upTo:)``.
    /// - Throws: `CompressionError`.
    public func decode(_ piece: [UInt8], into output: inout [UInt8]) throws(CompressionError) {
        var rest = piece.span
        repeat {
            let taken = try decode(rest, into: &output, upTo: .max)
            rest = rest.extracting(droppingFirst: taken)
        } while !rest.isEmpty
    }

    /// Decodes a part of a piece: until it is used up, or so many bytes have come out.
    ///
    /// With all of a piece taken, and no more output than that, another call without input gives no more: give the next
    /// piece. When the output is full there may be more: call again, with what is left of the piece.
    /// - Parameters:
    ///   - piece: what is decoded.
    ///   - output: what comes out is appended to it.
    ///   - count: how many bytes to append at most.
    /// - Returns: how many bytes of the piece were taken.
    /// - Throws: `CompressionError`.
    public func decode(
        _ piece: Span<UInt8>, into output: inout [UInt8], upTo count: Int
    ) throws(CompressionError) -> Int {
        var taken = 0
        var room = count
        while true {
            let input = piece.extracting(droppingFirst: taken)
            if input.isEmpty && isAtBoundary { return taken }
            guard room > 0 else { return taken }
            guard !hasEnded else { throw .trailingBytes(coding) }
            let before = output.count
            let size = min(room, Self.stepSize(for: input.count))
            let step = try step(input, into: &output, size)
            taken += step.consumed
            codedLength += step.consumed
            room -= step.produced
            decodedLength += output.count - before
            try limits.check(decoded: decodedLength, coded: codedLength)
            // Room left over means that everything was given that the input had.
            if !step.isEnd && step.produced < size && taken == piece.count { return taken }
        }
    }

    /// Says that the body has ended.
    ///
    /// - Throws: `CompressionError.truncated` if its coded data has not. To go on would be to take a part for the whole.
    public func finish() throws(CompressionError) {
        // No body at all is what comes with HEAD and 304, whatever the fields say.
        guard isAtBoundary || hasEnded else { throw .truncated(coding) }
    }

    /// Output is taken in pieces of this size, so that a bomb is seen before it has filled the memory.
    private static func stepSize(for inputCount: Int) -> Int {
        min(max(4096, inputCount * 4), 64 * 1024)
    }

    private func step(
        _ input: Span<UInt8>, into output: inout [UInt8], _ size: Int
    ) throws(CompressionError) -> CoderStep {
        guard coding != .identity else {
            let count = min(input.count, size)
            output.append(contentsOf: Array(copying: input.extracting(first: count)))
            return CoderStep(consumed: count, produced: count, isEnd: false)
        }
        let decoder: any Coder
        if let existing = self.decoder {
            decoder = existing
        } else {
            decoder = try makeDecoder(first: input[0])
            self.decoder = decoder
        }
        isAtBoundary = false
        let step = try input.withUnsafeBufferPointer { input throws(CompressionError) in
            try output.appendFromCoder(upTo: size) { room throws(CompressionError) in
                try decoder.step(input, into: room, .more)
            }
        }
        if step.isEnd {
            isAtBoundary = true
            // RFC 1952, 2.2, and RFC 8878, 3.1: a body may be several streams behind each other.
            if coding == .gzip || coding == .zstd { try decoder.reset() } else { hasEnded = true }
        }
        return step
    }

    private func makeDecoder(first byte: UInt8) throws(CompressionError) -> any Coder {
        switch coding {
        #if Zlib
            case .gzip: return try Inflater(.gzip)
            case .deflate:
                // RFC 9110, 8.4.1.2: some send the data without the wrapper, whose first byte always ends with 8. No
                // encoder begins bare data like that: it would be a stored block with a one in its padding.
                return try Inflater(byte & 0x0F == 8 ? .zlib : .raw(windowBits: 15))
        #endif
        #if Brotli
            case .brotli: return try BrotliDecoder()
        #endif
        #if Zstd
            case .zstd: return try ZstdDecoder()
        #endif
        default: throw .unsupported(coding)
        }
    }
}

extension [UInt8] {
    /// Appends what a step of a coder gives, `count` bytes at most.
    mutating func appendFromCoder(
        upTo count: Int,
        _ body: (UnsafeMutableBufferPointer<UInt8>) throws(CompressionError) -> CoderStep
    ) throws(CompressionError) -> CoderStep {
        var step = CoderStep(consumed: 0, produced: 0, isEnd: false)
        try append(addingCapacity: count) { output throws(CompressionError) in
            try output.withUnsafeMutableBufferPointer { room, used throws(CompressionError) in
                step = try body(UnsafeMutableBufferPointer(rebasing: room[used...]))
                used += step.produced
            }
        }
        return step
    }
}
