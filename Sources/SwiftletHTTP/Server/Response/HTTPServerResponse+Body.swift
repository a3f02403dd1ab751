import Swiftlet

extension HTTPServerResponse {
    /// What an answer carries: bytes or text as a whole, or a stream that is made while it is sent.
    public struct Body: Sendable, ExpressibleByStringLiteral {
        enum Content: Sendable {
            case bytes([UInt8])
            case text(String)
            case stream(length: Int?, @Sendable (Writer) throws -> Void)
        }

        let content: Content

        /// Bytes as they are.
        public init(_ bytes: [UInt8] = []) { content = .bytes(bytes) }

        /// Text, in UTF-8.
        public init(_ text: String) { content = .text(text) }

        public init(stringLiteral text: String) { self.init(text) }

        /// A stream that plain synchronous code writes, in the connection's fiber.
        ///
        /// - Parameters:
        ///   - length: exactly so many bytes are going to be written; `nil` sends it in chunks.
        ///   - write: writes the body. Each write waits until the client has taken the earlier ones, apart from what the kernel
        ///     buffers. An error cuts the answer off in a way that the client notices.
        public static func stream(length: Int? = nil, _ write: @escaping @Sendable (Writer) throws -> Void)
            -> Body
        {
            Body(content: .stream(length: length, write))
        }

        /// A stream that async code writes, in a task on the connection's loop.
        public static func stream(length: Int? = nil, _ write: @escaping @Sendable (Writer) async throws -> Void)
            -> Body
        {
            Body(content: .stream(length: length) { writer in try blockOn { try await write(writer) } })
        }

        private init(content: Content) { self.content = content }

        /// How many bytes; `nil` for a stream that does not know.
        public var count: Int? {
            switch content {
            case .bytes(let bytes): bytes.count
            case .text(let text): text.utf8.count
            case .stream(let length, _): length
            }
        }

        /// It is made while it is sent.
        var isStreamed: Bool {
            if case .stream = content { true } else { false }
        }

        /// All of it; `nil` for a stream.
        public var bytes: [UInt8]? {
            switch content {
            case .bytes(let bytes): bytes
            case .text(let text): Array(text.utf8)
            case .stream: nil
            }
        }
    }
}
