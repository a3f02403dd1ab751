#if TLS
    import CSwiftletTLS
    public import SwiftletLoop

    extension TLSStream {
        /// Writes all of the bytes in memory of the caller's, which stays as it is meanwhile.
        ///
        /// Cancellation: ends the wait; a part may have been written, and nothing can be written after it.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline? = nil) throws {
            try send(bytes, UnsafeRawBufferPointer(start: nil, count: 0), until: deadline)
        }

        /// Writes all of two pieces of memory behind each other, with one call to the kernel where that is possible.
        ///
        /// Cancellation: ends the wait; a part may have been written, and nothing can be written after it.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public func write(
            _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, until deadline: Deadline? = nil
        ) throws {
            try send(first, second, until: deadline)
        }

        func send(
            _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, until deadline: Deadline?
        ) throws {
            guard first.count + second.count > 0 else { return }
            try inTurn(until: deadline) {
                guard first.count > 0, second.count > 0, first.count + second.count <= Self.jointSize else {
                    try encrypt(first, until: deadline)
                    return try encrypt(second, until: deadline)
                }
                try withUnsafeTemporaryAllocation(byteCount: Self.jointSize, alignment: 1) { joint in
                    joint.copyMemory(from: first)
                    UnsafeMutableRawBufferPointer(rebasing: joint[first.count...]).copyMemory(from: second)
                    try encrypt(
                        UnsafeRawBufferPointer(rebasing: joint[..<(first.count + second.count)]), until: deadline)
                }
            }
        }

        /// Writes all of several pieces of memory behind each other, with few calls to the kernel.
        ///
        /// Cancellation: ends the wait; a part may have been written, and nothing can be written after it.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public func write(contentsOf pieces: [UnsafeRawBufferPointer], until deadline: Deadline?) throws {
            try inTurn(until: deadline) { for piece in pieces { try encrypt(piece, until: deadline) } }
        }

        /// Sends what the body encrypts, when nobody else writes.
        private func inTurn(until deadline: Deadline?, _ body: () throws -> Void) throws {
            try beginWriting(until: deadline)
            do {
                try body()
                try flush(until: deadline)
            } catch {
                writing.release()
                throw error
            }
            try endWriting(until: deadline)
        }

        /// Two pieces that are no larger together share a record: that costs less than a record more.
        private static let jointSize = 2048

        private func encrypt(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline?) throws {
            if isClosed { throw SocketError(.write, peerName, .closed) }
            var rest = bytes
            while rest.count > 0 {
                let step = swiftlet_tls_write(machine, rest.baseAddress, rest.count)
                rest = UnsafeRawBufferPointer(rebasing: rest[step.count...])
                switch step.status {
                case SWIFTLET_TLS_DONE: return
                case SWIFTLET_TLS_WANTS_OUTPUT: try flush(until: deadline)
                default: throw failure(.write)
                }
            }
        }
    }
#endif
