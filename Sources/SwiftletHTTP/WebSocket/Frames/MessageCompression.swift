/// permessage-deflate as the two sides agreed on it (RFC 7692, 7.1).
package struct PermessageDeflate: Sendable, Hashable {
    /// How the frames of one direction are compressed.
    package struct Direction: Sendable, Hashable {
        /// Each message is compressed for itself.
        package var forgetsContext = false
        /// The window is of two to the power of so many bytes, 8 to 15.
        package var windowBits = 15

        package init() {}
    }

    /// From the server.
    package var server = Direction()
    /// From the client.
    package var client = Direction()

    package init() {}
}

#if Zlib
    /// What a flushed deflate stream ends with, and messages leave out (RFC 7692, 7.2.1).
    private let flushedEnd: [UInt8] = [0x00, 0x00, 0xFF, 0xFF]

    /// Decodes compressed messages.
    final class MessageInflater {
        private let inflater: Inflater
        private let forgetsContext: Bool

        init(_ deflate: PermessageDeflate, isServer: Bool) throws(CompressionError) {
            let direction = isServer ? deflate.client : deflate.server
            inflater = try Inflater(.raw(windowBits: CInt(direction.windowBits)))
            forgetsContext = direction.forgetsContext
        }

        /// Decodes a piece of a message.
        ///
        /// - Parameter limit: how many bytes may come out.
        func decode(_ piece: [UInt8], into output: inout [UInt8], limit: Int?) throws(CompressionError) {
            var rest = piece.span
            var room = limit ?? .max
            while true {
                // One byte more than allowed tells that it is too much.
                let size = min(64 * 1024, max(1024, rest.count * 4), room == .max ? .max : room + 1)
                let step = try rest.withUnsafeBufferPointer { input throws(CompressionError) in
                    try output.appendFromCoder(upTo: size) { room throws(CompressionError) in
                        try inflater.step(input, into: room, .more)
                    }
                }
                guard step.produced <= room else { throw .tooLong(limit: limit ?? 0) }
                if room != .max { room -= step.produced }
                rest = rest.extracting(droppingFirst: step.consumed)
                // RFC 7692, 7.2.3.4: a message may have a final block; what follows goes on with the same window.
                if step.isEnd { try inflater.restart() }
                if rest.isEmpty && step.produced < size { return }
                // What is no end and takes nothing though there is room would be taken for ever.
                guard step.consumed > 0 || step.produced > 0 || step.isEnd else { throw .corrupt(.deflate) }
            }
        }

        /// Decodes the end of a message.
        func finish(into output: inout [UInt8], limit: Int?) throws(CompressionError) {
            try decode(flushedEnd, into: &output, limit: limit)
            if forgetsContext { try inflater.reset() }
        }
    }

    /// Compresses messages.
    final class MessageDeflater {
        private let deflater: Deflater
        private let forgetsContext: Bool
        /// The end of what was flushed last: it goes out only if the message goes on.
        private var held: ArraySlice<UInt8> = []

        init(_ direction: PermessageDeflate.Direction, level: Int) throws(CompressionError) {
            deflater = try Deflater(
                .raw(windowBits: CInt(direction.windowBits)), level: CInt(min(max(level, 1), 9)))
            forgetsContext = direction.forgetsContext
        }

        /// Compresses a part of a message, so that the peer can decode all of it.
        ///
        /// - Parameter isLast: the message ends with it.
        func encode(_ part: Span<UInt8>, isLast: Bool) throws(CompressionError) -> [UInt8] {
            var output = Array(held)
            held = []
            try part.withUnsafeBufferPointer { input throws(CompressionError) in
                var taken = 0
                while true {
                    let rest = UnsafeBufferPointer(rebasing: input[taken...])
                    let step = try output.appendFromCoder(upTo: min(max(256, rest.count), 64 * 1024)) {
                        room throws(CompressionError) in try deflater.step(rest, into: room, .flush)
                    }
                    taken += step.consumed
                    if taken == input.count && step.isEnd { return }
                }
            }
            if output.suffix(4).elementsEqual(flushedEnd) {
                if !isLast { held = output.suffix(4) }
                output.removeLast(4)
            }
            if isLast, forgetsContext { try deflater.reset() }
            return output
        }
    }
#else
    /// Without zlib there is no compression to agree on.
    final class MessageInflater {
        init(_ deflate: PermessageDeflate, isServer: Bool) throws(CompressionError) { throw .unsupported(.deflate) }

        func decode(_ piece: [UInt8], into output: inout [UInt8], limit: Int?) throws(CompressionError) {
            throw .unsupported(.deflate)
        }

        func finish(into output: inout [UInt8], limit: Int?) throws(CompressionError) { throw .unsupported(.deflate) }
    }

    /// Without zlib there is no compression to agree on.
    final class MessageDeflater {
        init(_ direction: PermessageDeflate.Direction, level: Int) throws(CompressionError) {
            throw .unsupported(.deflate)
        }

        func encode(_ part: Span<UInt8>, isLast: Bool) throws(CompressionError) -> [UInt8] {
            throw .unsupported(.deflate)
        }
    }
#endif
