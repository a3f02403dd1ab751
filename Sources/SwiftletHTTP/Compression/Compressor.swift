/// Codes a body piece by piece.
///
/// ```swift
/// let compressor = try Compressor(.gzip)
/// var coded: [UInt8] = []
/// try compressor.encode(piece, into: &coded)      // for each piece
/// try compressor.finish(into: &coded)             // at the body's end
/// ```
///
/// Thread rules: used by one stack at a time.
public final class Compressor {
    /// How the body is coded.
    public let coding: ContentCoding
    private let encoder: (any Coder)?

    /// Makes an encoder for one body.
    ///
    /// - Parameters:
    ///   - coding: how the body is coded.
    ///   - level: how hard to try: for gzip and deflate 1 to 9, for br 0 to 11, for zstd 1 to 19; others are taken for the
    ///     nearest. `nil` takes what suits answers made on the fly: 6, 4 and 3.
    /// - Throws: `CompressionError.unsupported`; `.outOfMemory`.
    public init(_ coding: ContentCoding, level: Int? = nil) throws(CompressionError) {
        self.coding = coding
        switch coding {
        case .identity: encoder = nil
        #if Zlib
            case .gzip: encoder = try Deflater(.gzip, level: CInt(min(max(level ?? 6, 1), 9)))
            case .deflate: encoder = try Deflater(.zlib, level: CInt(min(max(level ?? 6, 1), 9)))
        #endif
        #if Brotli
            case .brotli: encoder = try BrotliEncoder(level: UInt32(min(max(level ?? 4, 0), 11)))
        #endif
        #if Zstd
            case .zstd: encoder = try ZstdEncoder(level: CInt(min(max(level ?? 3, 1), 19)))
        #endif
        default: throw .unsupported(coding)
        }
    }

    /// Codes a piece and appends what comes out, which may be nothing yet.
    ///
    /// - Parameters:
    ///   - piece: what is coded.
    ///   - output: what comes out is appended to it.
    ///   - flushes: everything up to here can be decoded from the output so far; it costs some bytes.
    /// - Throws: `CompressionError`.
    public func encode(
        _ piece: [UInt8], into output: inout [UInt8], flushes: Bool = false
    ) throws(CompressionError) {
        try encode(piece.span, into: &output, flushes ? .flush : .more)
    }

    /// Ends the coded data and appends the last of it. Then the compressor is as new, for another body.
    ///
    /// - Throws: `CompressionError`.
    public func finish(into output: inout [UInt8]) throws(CompressionError) {
        let nothing: [UInt8] = []
        try encode(nothing.span, into: &output, .finish)
        try encoder?.reset()
    }

    func encode(_ piece: Span<UInt8>, into output: inout [UInt8], _ mode: CoderMode) throws(CompressionError) {
        guard let encoder else {
            output.append(contentsOf: Array(copying: piece))
            return
        }
        var rest = piece
        while true {
            let step = try rest.withUnsafeBufferPointer { input throws(CompressionError) in
                try output.appendFromCoder(upTo: min(max(1024, input.count), 64 * 1024)) {
                    room throws(CompressionError) in try encoder.step(input, into: room, mode)
                }
            }
            rest = rest.extracting(droppingFirst: step.consumed)
            if rest.isEmpty && step.isEnd { return }
        }
    }
}
