import Swiftlet

extension InputBuffer {
    /// Reads a body to its end.
    ///
    /// - Parameter deadline: asked before each read.
    /// - Throws: `HTTPParseError`; `SocketError`; `CancellationError`.
    func readBody(
        _ framing: BodyFraming, limits: HTTPLimits, from stream: any ByteStream, until deadline: () -> Deadline?
    ) throws -> [UInt8] {
        var decoder = try BodyDecoder(framing: framing, limits: limits)
        var body: [UInt8] = []
        if case .length(let length) = framing {
            // A promise costs its sender nothing, so no more than a megabyte is taken for it beforehand.
            body.reserveCapacity(min(length, 1 << 20))
        }
        while true {
            let bytes = bytes
            switch try decoder.next(in: bytes.span) {
            case .data(let range):
                body.append(contentsOf: bytes[range])
                consume(range.upperBound)
            case .incomplete(let consumed):
                consume(consumed)
                if try fill(from: stream, until: deadline()) == 0 {
                    try decoder.finish()
                    return body
                }
            case .end(let consumed):
                consume(consumed)
                return body
            }
        }
    }
}
