/// How much a peer may send before it is refused.
///
/// Every limit is enforced as soon as it is exceeded, even in the middle of a line, so a peer can never make a reader
/// buffer more than this. All lengths are in bytes.
public struct HTTPLimits: Sendable, Hashable {
    /// The longest request line or status line, without its line ending.
    public var startLineLength = 8190

    /// The longest field line, in a head or among trailers, without its line ending.
    public var fieldLineLength = 8190

    /// The most fields that a head may have.
    public var fieldCount = 128

    /// The longest head: start line, fields and line endings together.
    public var headLength = 64 * 1024

    /// The longest body, after removal of the chunked coding. `nil` is no limit.
    public var bodyLength: Int?

    /// The longest line that announces a chunk: its size and its extensions.
    public var chunkSizeLineLength = 1024

    /// The most bytes that all chunk extensions of one body may have together. Nobody uses extensions in earnest, and
    /// a body of one-byte chunks with long extensions is a cheap attack.
    public var chunkExtensionsLength = 16 * 1024

    /// The most fields that may trail a chunked body.
    public var trailerFieldCount = 32

    /// The longest trailer section: fields and line endings together.
    public var trailerLength = 16 * 1024

    /// Makes the default limits, which suit browsers, proxies and most services.
    public init() {}

    /// The default limits.
    public static let `default` = HTTPLimits()
}
