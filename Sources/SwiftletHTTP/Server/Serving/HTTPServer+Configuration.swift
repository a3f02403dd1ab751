public import Swiftlet
import SwiftletNet

extension HTTPServer {
    /// How a server behaves. Every wait that a client can cause has a limit.
    public struct Configuration: Sendable {
        /// Where to listen: an address of this machine; `0.0.0.0` is all of IPv4, `::` all there are.
        public var host = "127.0.0.1"
        /// The port; 0 picks a free one.
        public var port = 8080
        /// The path of a Unix socket to listen at, instead of a host and a port; with `@` first, a name in the kernel's abstract
        /// namespace. The file is removed when the server stops; one that was left behind is replaced. aiohttp's `UnixSite`.
        public var unixSocket: String?
        /// The permissions of that file, less the process's umask: who may write to it may connect. `nil` allows whom the
        /// umask allows.
        public var unixSocketPermissions: UInt32?
        /// A socket that listens already, such as one from systemd (3 is its first), instead of all that. The server listens
        /// by a copy: the number stays the caller's. aiohttp's `SockSite`.
        public var inheritedSocket: CInt?
        /// Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
        public var backlog = 65535
        /// Lets other processes serve the same port.
        public var reusePort = false
        #if TLS
            /// How to speak TLS; `nil` serves in clear.
            public var tls: TLSServerConfiguration?
        #endif
        /// The most connections at a time, on each loop; further ones wait to be accepted. `nil` sets none.
        public var connectionLimit: Int?
        /// How many requests are handled at a time, on each loop; further ones wait for their turn, their connections
        /// stay open. `nil` sets none; 1 is Flask's `threaded=False`.
        public var requestLimit: Int?
        /// What a request may have: by default a request line of 8 KB, 100 fields, a head of 64 KB, and a body of 1 MB
        /// unless the handler streams it or says otherwise.
        public var limits: HTTPLimits
        /// How long a connection may be without a request.
        public var idleTimeout = Duration.seconds(75)
        /// How long a request's head may take from its first byte to its last, and a TLS handshake.
        public var headTimeout = Duration.seconds(10)
        /// How long a client may take for a kilobyte of a body, or for what is left of it.
        public var bodyTimeout = Duration.seconds(30)
        /// How long a client may take nothing of a response.
        public var writeTimeout = Duration.seconds(30)
        /// How long a client that was refused may go on sending before its connection is closed. To close it at once
        /// would reset it, and take the answer with it (RFC 9112, 9.6).
        public var lingerTimeout = Duration.seconds(5)
        /// A client that has ended its side may wait for the answer, or be gone: after so long an interim response
        /// (100) finds out, and a handler whose client is gone is cancelled. `nil` never asks; a connection that breaks
        /// is noticed at once in any case.
        public var goneClientCheck: Duration? = .seconds(5)
        /// How long `stop` waits for requests under way.
        public var grace = Duration.seconds(10)
        /// Called for each response, on the loop that wrote it, refusals of what is no request included. It must not block.
        public var accessLog: (@Sendable (HTTPAccess) -> Void)?

        public init() {
            limits = HTTPLimits()
            limits.startLineLength = 8192
            limits.fieldCount = 100
            limits.bodyLength = 1 << 20
        }
    }
}

/// A client speaks http to a port that expects TLS.
struct SpokenInClear: Error {}

extension HTTPServer.Configuration {
    /// Connections are encrypted.
    var isSecure: Bool {
        #if TLS
            tls != nil
        #else
            false
        #endif
    }

    /// What is to be spoken on an accepted connection: itself, or TLS over it.
    ///
    /// - Throws: `SpokenInClear`, with nothing read; `TLSError`; `SocketError`; `CancellationError`.
    func secured(_ stream: any ByteStream) throws -> any ByteStream {
        #if TLS
            guard let tls else { return stream }
            stream.writeTimeout = writeTimeout
            let limit = Deadline.after(headTimeout)
            // HTTP begins with a letter; TLS with 22 (RFC 8446, 5.1).
            if let first = try (stream as? StreamSocket)?.peek(until: limit), (0x41...0x5A).contains(first) {
                throw SpokenInClear()
            }
            return try TLSStream.server(over: stream, configuration: tls, until: limit)
        #else
            stream
        #endif
    }
}
