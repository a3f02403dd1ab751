#if TLS
    import CSwiftletTLS
    public import SwiftletLoop

    extension TLSStream {
        /// Something can be read without waiting: bytes, the end, or an error. Nothing is taken.
        ///
        /// What TLS has to say for itself, such as an offer of a session, is no input. Only for the reader.
        public var hasInput: Bool {
            while true {
                guard swiftlet_tls_peek(machine).status == SWIFTLET_TLS_WANTS_INPUT else { return true }
                guard transport.hasInput else { return false }
                do {
                    try fill(until: .now)
                } catch {
                    return true
                }
            }
        }

        /// Waits until something can be read: bytes, the end, or an error.
        ///
        /// Cancellation: ends the wait; no byte is lost.
        public func waitForInput(until deadline: Deadline? = nil) throws {
            while try advance(after: swiftlet_tls_peek(machine), until: deadline) {}
        }

        /// Reads what has come, at least one byte, into memory of the caller's.
        ///
        /// Cancellation: ends the wait; no byte is lost.
        /// - Returns: how many bytes; 0 at the end of the stream, and for an empty buffer.
        /// - Throws: `TLSError`, with `truncated` when the peer's stream ends without goodbye; `SocketError`;
        ///   `CancellationError`.
        public func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline? = nil) throws -> Int {
            try receive(into: buffer, until: deadline)
        }

        func receive(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline?) throws -> Int {
            guard buffer.count > 0 else { return 0 }
            while true {
                let step = swiftlet_tls_read(machine, buffer.baseAddress, buffer.count)
                if step.status == SWIFTLET_TLS_DONE { return step.count }
                if try advance(after: step, until: deadline) { continue }
                if step.status == SWIFTLET_TLS_FAILED { throw failure(.read) }
                return 0
            }
        }

        /// Does what a step of the reader asks for.
        ///
        /// - Returns: whether the step is to be taken again.
        private func advance(after step: swiftlet_tls_step, until deadline: Deadline?) throws -> Bool {
            if step.status == SWIFTLET_TLS_DONE { return false }
            if isClosed { throw SocketError(.read, peerName, .closed) }
            keepSessions()
            switch step.status {
            case SWIFTLET_TLS_WANTS_INPUT:
                if step.has_output { try flushIfFree(until: deadline) }
                try fill(until: deadline)
                return true
            case SWIFTLET_TLS_WANTS_OUTPUT:
                // So many answers only a peer asks for that reads none: it has to take some first.
                try beginWriting(until: deadline)
                defer { writing.release() }
                try flush(until: deadline)
                return true
            default:
                do {
                    if step.has_output { try flushIfFree(until: .now) }
                } catch {
                    // The peer need not hear why this side gives up.
                }
                return false
            }
        }
    }
#endif
