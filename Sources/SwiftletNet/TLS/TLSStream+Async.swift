#if TLS
    public import SwiftletLoop

    // The async spelling: thin doors to the same synchronous code. On a loop the task parks in place; elsewhere the work
    // goes to the shared loop. Cancellation is that of the synchronous spelling.

    extension TLSStream {
        /// Begins TLS as a client, from a task. If that fails, the stream below is closed.
        ///
        /// Cancellation: ends the handshake.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public static func client(
            over transport: any ByteStream, serverName: String,
            configuration: TLSClientConfiguration = TLSClientConfiguration(), until deadline: Deadline? = nil
        ) async throws -> TLSStream {
            try await parkInTask { try connect(over: transport, serverName, configuration, until: deadline) }
        }

        /// Begins TLS as a server, from a task. If that fails, the stream below is closed.
        ///
        /// Cancellation: ends the handshake.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public static func server(
            over transport: any ByteStream, configuration: TLSServerConfiguration, until deadline: Deadline? = nil
        ) async throws -> TLSStream {
            try await parkInTask { try accept(over: transport, configuration, until: deadline) }
        }

        /// Ends the stream cleanly, from a task: says goodbye, waits for the peer's, and closes.
        ///
        /// Cancellation: ends the wait and closes.
        /// - Throws: `TLSError`; `SocketError`; `CancellationError`.
        public func shutDown(until deadline: Deadline? = nil) async throws {
            try await parkInTask { try self.endBothWays(until: deadline) }
        }
    }
#endif
