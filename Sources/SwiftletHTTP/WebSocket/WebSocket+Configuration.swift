extension WebSocket {
    /// How a WebSocket behaves, on either side.
    public struct Configuration: Sendable {
        /// The longest message that `receive` takes, in bytes after decompression. A longer one ends the connection with
        /// code 1009.
        public var messageLimit = 4 << 20
        /// The longest frame; `nil` for any. It matters for those who receive messages in parts.
        public var frameLimit: Int?
        /// While somebody waits to receive, after this long without anything from the peer a ping is sent; `nil` for never.
        public var heartbeat: Duration? = .seconds(20)
        /// How long the peer may take to answer that ping, with whatever it sends, before it counts as dead.
        public var heartbeatTimeout = Duration.seconds(20)
        /// How long closing waits for the peer.
        public var closeTimeout = Duration.seconds(10)
        /// How long the peer may take nothing of what is sent.
        public var writeTimeout: Duration? = .seconds(30)
        /// permessage-deflate (RFC 7692); `nil` for none. Needs the package trait `Zlib`, which is on by default.
        public var compression: Compression? = Compression()
        /// Subprotocols: a client's wishes, a server's abilities; the preferred one first.
        public var subprotocols: [String] = []
        /// For a server: whether a page of this origin may connect. By default only pages of the server's own host may, so
        /// that no other site can use a visitor's cookies; who sends no Origin field is no page.
        public var allowsOrigin: (@Sendable (_ origin: String, _ request: HTTPServerRequest) -> Bool)?

        public init() {}
    }

    /// How messages are compressed if the peer agrees.
    public struct Compression: Sendable, Hashable {
        /// The windows are of two to the power of so many bytes, 9 to 15: a connection needs some ten times that much.
        public var windowBits = 12
        /// Each message is compressed for itself: less memory between messages, less compression of short ones.
        public var forgetsContext = false
        /// 1 (fast) to 9 (small).
        public var level = 6
        /// Shorter messages are sent as they are.
        public var minimumLength = 64

        public init() {}
    }
}
