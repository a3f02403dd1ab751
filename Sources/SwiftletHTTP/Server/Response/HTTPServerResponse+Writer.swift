import Swiftlet
import SwiftletNet

extension HTTPServerResponse {
    /// Writes the body of an answer that is streamed.
    ///
    /// Thread rules: one writer at a time, until the closure that got it ends.
    public final class Writer: @unchecked Sendable {
        /// How the end of the body is told.
        private enum Framing {
            case chunked
            case length(remaining: Int)
            case untilClose
        }

        /// Chunks up to this size are put together with their size line; larger ones are sent from where they are.
        private static let copiedSize = 16 * 1024
        /// After so many bytes others have a turn, though the client takes them all: each write counts as a kilobyte besides.
        private static let budget = 256 * 1024

        private let stream: any ByteStream
        private var framing: Framing
        private var isClosed = false
        private var budget = Writer.budget
        /// What is written goes through it.
        private var compressor: Compressor?
        /// How many bytes have been written.
        public private(set) var byteCount = 0

        init(_ stream: any ByteStream, length: Int?, isChunked: Bool) {
            self.stream = stream
            framing = length.map { .length(remaining: $0) } ?? (isChunked ? .chunked : .untilClose)
        }

        /// Sends bytes at once, and waits until the client or the kernel has taken them.
        ///
        /// Cancellation: ends the wait; the answer is cut off.
        /// - Throws: `SocketError` when the client has gone, or takes nothing for the server's `writeTimeout`;
        ///   `LengthMismatch` when it is more than was announced; `HTTPRequestOver`; `CancellationError`.
        public func write(_ bytes: [UInt8]) throws { try send(bytes) }

        /// Sends bytes from a task, and waits until the client or the kernel has taken them.
        ///
        /// Cancellation: ends the wait; the answer is cut off.
        public func write(_ bytes: [UInt8]) async throws { try await parkInTask { try self.send(bytes) } }

        /// Sends a text at once, as UTF-8.
        public func write(_ text: String) throws { try send(Array(text.utf8)) }

        /// Sends a text from a task, as UTF-8.
        public func write(_ text: String) async throws { try await write(Array(text.utf8)) }

        /// Compresses what the body writes, and ends the coded data behind it.
        func compress(_ compressor: Compressor, _ body: () throws -> Void) throws {
            self.compressor = compressor
            try body()
            self.compressor = nil
            var rest: [UInt8] = []
            try compressor.finish(into: &rest)
            try send(rest)
        }

        private func send(_ bytes: [UInt8]) throws {
            guard !isClosed else { throw HTTPRequestOver() }
            guard !bytes.isEmpty else { return }
            guard let compressor else { return try transmit(bytes) }
            var coded: [UInt8] = []
            try compressor.encode(bytes, into: &coded, flushes: true)
            try transmit(coded)
        }

        private func transmit(_ bytes: [UInt8]) throws {
            switch framing {
            case .untilClose: try stream.write(bytes)
            case .length(let remaining):
                guard bytes.count <= remaining else { throw LengthMismatch(announced: byteCount + remaining) }
                framing = .length(remaining: remaining - bytes.count)
                try stream.write(bytes)
            case .chunked:
                var chunk: [UInt8] = []
                chunk.reserveCapacity(32 + (bytes.count <= Self.copiedSize ? bytes.count : 0))
                chunk.appendChunkSizeLine(bytes.count)
                if bytes.count <= Self.copiedSize {
                    chunk.append(contentsOf: bytes)
                    chunk.append(contentsOf: "\r\n".utf8)
                    try stream.write(chunk)
                } else {
                    try stream.write(chunk, bytes)
                    try stream.write("\r\n")
                }
            }
            byteCount += bytes.count
            budget -= bytes.count + 1024
            if budget < 0 {
                budget = Self.budget
                try yield()
            }
        }

        /// Sends a part of a file, whose length has been announced.
        func write(_ file: File, _ range: Range<Int>) throws {
            guard !isClosed else { throw HTTPRequestOver() }
            guard case .length(let remaining) = framing, range.count <= remaining else {
                throw LengthMismatch(announced: byteCount)
            }
            framing = .length(remaining: remaining - range.count)
            try stream.copy(Int64(range.lowerBound)..<Int64(range.upperBound), of: file, until: nil)
            byteCount += range.count
        }

        /// Tells the client that the body is complete.
        ///
        /// - Returns: whether the connection can be used further.
        func finish() throws -> Bool {
            isClosed = true
            switch framing {
            case .untilClose: return false
            case .length(let remaining):
                guard remaining == 0 else { throw LengthMismatch(announced: byteCount + remaining) }
            case .chunked: try stream.write("0\r\n\r\n")
            }
            return true
        }

        /// The body stays as it is: nobody may write any more.
        func abandon() { isClosed = true }
    }

    /// A streamed body is longer or shorter than was announced. The answer is cut off.
    public struct LengthMismatch: Error, CustomStringConvertible {
        /// What Content-Length said.
        public let announced: Int

        public var description: String {
            "a streamed body has another length than the \(announced) bytes announced: leave the length out, and it is sent in chunks"
        }
    }
}
