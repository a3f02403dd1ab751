#if TLS
    import COpenSSL
    import CSwiftletTLS
    public import SwiftletLoop
    import Synchronization

    /// TLS over another stream of bytes, as straight-line code: calls that would block park the calling fiber or task. On
    /// a plain thread they block.
    ///
    /// ```swift
    /// let connection = try TCPConnection.connect(to: "example.com", port: 443)
    /// let stream = try TLSStream.client(over: connection, serverName: "example.com")
    /// defer { stream.close() }
    /// try stream.write("GET / HTTP/1.0\r\nHost: example.com\r\n\r\n")
    /// ```
    ///
    /// The stream below may have been used in clear before; from the handshake on it belongs to TLS alone.
    ///
    /// Encryption is a machine between two pieces of memory (`swiftlet_tls.h`): a fiber puts in what came from the stream
    /// below and sends what the machine made. Only that waits.
    ///
    /// Thread rules: those of the stream below; a reader and a writer may be two fibers. Python: `ssl.SSLSocket`.
    public final class TLSStream: ByteStream {
        let transport: any ByteStream
        // Each call takes the machine's own lock.
        nonisolated(unsafe) let machine: OpaquePointer
        // What OpenSSL's callbacks are handed lives in it.
        let context: TLSContext
        /// The host that was asked for; a server has none.
        let host: String?
        /// Held by who makes and sends records, so that they go out in order. The reader takes it only if it is free: who
        /// holds it sends along what the reader leaves.
        let writing = Semaphore(1)
        // Written by who holds `writing`: records were cut off on their way, so the peer could read nothing more.
        nonisolated(unsafe) private var isBrokenOff = false
        private let hasClosed = Atomic(false)
        // Written once, at the end of the handshake, before anybody else has the stream.
        nonisolated(unsafe) private var outcome: TLSInfo?

        init(over transport: any ByteStream, context: TLSContext, host: String?) throws {
            guard let machine = swiftlet_tls_make(context.pointer, host == nil) else {
                throw TLSError(.handshake, transport.peerName, .protocolFailure(writtenText(swiftlet_tls_last_error)))
            }
            self.transport = transport
            self.machine = machine
            self.context = context
            self.host = host
        }

        deinit { swiftlet_tls_free(machine) }

        // MARK: What is known of it

        /// What the handshake came to.
        public var info: TLSInfo { outcome! }

        /// The host that was asked for, with the address: as errors name the other side.
        public var peerName: String {
            guard let host, !transport.peerName.hasPrefix(host) else { return transport.peerName }
            return "\(host) (\(transport.peerName))"
        }

        /// The other side's address.
        public var remoteAddress: SocketAddress { transport.remoteAddress }

        /// How long a read may wait for the peer before it throws; that of the stream below.
        public var readTimeout: Duration? {
            get { transport.readTimeout }
            set { transport.readTimeout = newValue }
        }

        /// How long a write may wait without the peer taking anything; that of the stream below.
        public var writeTimeout: Duration? {
            get { transport.writeTimeout }
            set { transport.writeTimeout = newValue }
        }

        /// `close()` was called.
        public var isClosed: Bool { hasClosed.load(ordering: .relaxed) }

        /// Has a closure called when the stream below ends. A goodbye of TLS alone is known only to who reads.
        ///
        /// - Throws: `SocketError`.
        public func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws {
            try transport.observeEnd(observer)
        }

        // MARK: Between the machine and the stream below

        func conclude() {
            let info = TLSInfo(of: swiftlet_tls_ssl(machine))
            outcome = info
        }

        func failure(_ phase: TLSError.Phase) -> TLSError {
            .failure(phase, peerName, host: host ?? "", swiftlet_tls_failure_of(machine).pointee)
        }

        /// Gives the machine more of what the peer sent. Whoever waits for nothing yet holds no memory.
        func fill(until deadline: Deadline?) throws {
            swiftlet_tls_input_release(machine)
            try transport.waitForInput(until: deadline)
            var size = 0
            let space = swiftlet_tls_input_space(machine, &size)
            let count = try transport.read(
                into: UnsafeMutableRawBufferPointer(start: space, count: size), until: deadline)
            swiftlet_tls_input_filled(machine, count)
        }

        /// Sends what the machine has made. By who holds `writing`.
        func flush(until deadline: Deadline?) throws {
            if isBrokenOff { throw TLSError(.write, peerName, .brokenOff) }
            var count = 0
            while let bytes = swiftlet_tls_output_take(machine, &count) {
                defer { swiftlet_tls_output_release(machine, bytes) }
                do {
                    try transport.write(UnsafeRawBufferPointer(start: bytes, count: count), until: deadline)
                } catch {
                    isBrokenOff = true
                    throw error
                }
            }
        }

        /// Waits for the turn to write.
        func beginWriting(until deadline: Deadline?) throws {
            if writing.tryAcquire() { return }
            do {
                try writing.acquire(timeout: deadline?.remaining)
            } catch is DeadlineExceeded {
                throw SocketError(.write, peerName, .timedOut)
            }
        }

        /// Ends the turn. What the reader left meanwhile goes out too.
        func endWriting(until deadline: Deadline?) throws {
            writing.release()
            try flushIfFree(until: deadline)
        }

        /// Sends what a step of the reader has made, unless somebody is writing, who will do it, or nothing can be sent any
        /// more: reading goes on then.
        func flushIfFree(until deadline: Deadline?) throws {
            while swiftlet_tls_has_output(machine), writing.tryAcquire() {
                defer { writing.release() }
                if isBrokenOff { return }
                try flush(until: deadline)
            }
        }

        // MARK: Ending

        /// Tells the peer that nothing more comes, in TLS's words (close_notify). The other direction stays open; the
        /// stream below does too.
        ///
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public func closeWriting() throws { try sayGoodbye(until: nil) }

        private func sayGoodbye(until deadline: Deadline?) throws {
            try beginWriting(until: deadline)
            do {
                if swiftlet_tls_end(machine).status == SWIFTLET_TLS_FAILED { throw failure(.closeWriting) }
                try flush(until: deadline)
            } catch {
                writing.release()
                throw error
            }
            try endWriting(until: deadline)
        }

        /// Ends the stream cleanly: says goodbye, waits for the peer's goodbye, and closes. What the peer sends before it is
        /// dropped. `close` alone does not wait; then the kernel may reset the connection and with it take away what the
        /// peer has not read yet, as something of the peer's may be unread.
        ///
        /// Cancellation: ends the wait and closes.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public func shutDown(until deadline: Deadline? = nil) throws { try endBothWays(until: deadline) }

        func endBothWays(until deadline: Deadline?) throws {
            defer { close() }
            try sayGoodbye(until: deadline)
            try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { dropped in
                while try receive(into: dropped, until: deadline) > 0 {}
            }
        }

        /// Says goodbye to the peer if that needs no waiting, closes the stream below, and wakes whoever waits with an
        /// error. Closing twice does nothing. `shutDown` waits until both sides have said goodbye.
        public func close() {
            guard !hasClosed.exchange(true, ordering: .relaxed) else { return }
            // While somebody writes, a goodbye in the middle of a record would be none.
            if !transport.isClosed, writing.tryAcquire() {
                defer { writing.release() }
                do {
                    if swiftlet_tls_end(machine).status != SWIFTLET_TLS_FAILED { try flush(until: .now) }
                } catch {
                    // The peer takes nothing, or has gone: to it the stream ends without goodbye, as it does.
                }
            }
            transport.close()
        }
    }
#endif
