#if TLS
    import Glibc
    public import SwiftletLoop

    // Reading and writing arrays and texts, in both spellings.

    extension TLSStream {
        /// Reads what has come, at least one byte.
        ///
        /// Cancellation: ends the wait; no byte is lost.
        /// - Returns: the bytes; none at the end of the stream.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public func read(upTo limit: Int, until deadline: Deadline? = nil) throws -> [UInt8] {
            try receive(upTo: limit, until: deadline)
        }

        /// Reads so many bytes.
        ///
        /// Cancellation: ends the wait; what had come of them is lost.
        /// - Throws: `SocketError`, with `unexpectedEnd` when the peer ends before; `TLSError`; `CancellationError`.
        public func readExactly(_ count: Int, until deadline: Deadline? = nil) throws -> [UInt8] {
            try receiveExactly(count, until: deadline)
        }

        /// Reads until the peer says goodbye.
        ///
        /// Cancellation: ends the wait; what had come is lost.
        /// - Throws: `TLSError`, with `truncated` when the stream ends without goodbye; `SocketError`, with `EMSGSIZE`
        ///   when more than `limit` bytes come; `CancellationError`.
        public func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) throws -> [UInt8] {
            try receiveToEnd(limit: limit, until: deadline)
        }

        /// Reads what has come, at least one byte, from a task; none at the end of the stream.
        ///
        /// Cancellation: ends the wait; no byte is lost.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        @concurrent
        public func read(upTo limit: Int, until deadline: Deadline? = nil) async throws -> [UInt8] {
            try await parkInTask { try self.receive(upTo: limit, until: deadline) }
        }

        /// Reads so many bytes, from a task.
        ///
        /// Cancellation: ends the wait; what had come of them is lost.
        /// - Throws: `SocketError`, with `unexpectedEnd` when the peer ends before; `TLSError`; `CancellationError`.
        @concurrent
        public func readExactly(_ count: Int, until deadline: Deadline? = nil) async throws -> [UInt8] {
            try await parkInTask { try self.receiveExactly(count, until: deadline) }
        }

        /// Reads until the peer says goodbye, from a task.
        ///
        /// Cancellation: ends the wait; what had come is lost.
        /// - Throws: `TLSError`; `SocketError`, with `EMSGSIZE` when more than `limit` bytes come; `CancellationError`.
        @concurrent
        public func readToEnd(limit: Int = .max, until deadline: Deadline? = nil) async throws -> [UInt8] {
            try await parkInTask { try self.receiveToEnd(limit: limit, until: deadline) }
        }

        /// Writes all of the bytes, from a task.
        ///
        /// Cancellation: ends the wait; a part may have been written, and nothing can be written after it.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        @concurrent
        public func write(_ bytes: [UInt8], until deadline: Deadline? = nil) async throws {
            try await parkInTask { try bytes.withUnsafeBytes { try self.write($0, until: deadline) } }
        }

        /// Writes all of a text as UTF-8, from a task.
        ///
        /// Cancellation: ends the wait; a part may have been written, and nothing can be written after it.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        @concurrent
        public func write(_ text: String, until deadline: Deadline? = nil) async throws {
            try await write(Array(text.utf8), until: deadline)
        }

        private func receive(upTo limit: Int, until deadline: Deadline?) throws -> [UInt8] {
            // Memory only once there is something to put in: a thousand idle connections hold none.
            try waitForInput(until: deadline)
            return try [UInt8](unsafeUninitializedCapacity: max(limit, 0)) { buffer, count in
                count = try receive(into: UnsafeMutableRawBufferPointer(buffer), until: deadline)
            }
        }

        private func receiveExactly(_ wanted: Int, until deadline: Deadline?) throws -> [UInt8] {
            try [UInt8](unsafeUninitializedCapacity: max(wanted, 0)) { buffer, count in
                while count < wanted {
                    let rest = UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(buffer)[count..<wanted])
                    let received = try receive(into: rest, until: deadline)
                    guard received > 0 else {
                        throw SocketError(.read, peerName, .unexpectedEnd(received: count, expected: wanted))
                    }
                    count += received
                }
            }
        }

        private func receiveToEnd(limit: Int, until deadline: Deadline?) throws -> [UInt8] {
            var all: [UInt8] = []
            while true {
                let piece = try receive(upTo: 64 * 1024, until: deadline)
                if piece.isEmpty { return all }
                guard piece.count <= limit - all.count else {
                    throw SocketError(.read, peerName, .system(errno: EMSGSIZE))
                }
                all.append(contentsOf: piece)
            }
        }
    }
#endif
