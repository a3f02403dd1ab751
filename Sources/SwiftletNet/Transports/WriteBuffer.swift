/// How much may wait to be written: at more than `high` bytes the protocol is told to pause, at `low` to go on.
public struct WriteBufferLimits: Sendable, Hashable {
    public let low: Int
    public let high: Int

    /// asyncio's: 64 KiB, and a quarter of it.
    public static let standard = WriteBufferLimits()

    /// - Parameters:
    ///   - high: in bytes; 0 pauses whenever anything waits.
    ///   - low: at most `high`; by default a quarter of it.
    public init(high: Int = 64 * 1024, low: Int? = nil) {
        self.high = max(high, 0)
        self.low = min(max(low ?? self.high / 4, 0), self.high)
    }
}

/// What a transport has been given and has not yet written, and whether its protocol has been told to pause.
struct WriteBuffer<Piece> {
    private(set) var pieces: [Piece] = []
    private(set) var byteCount = 0
    private var isPaused = false
    var limits = WriteBufferLimits.standard

    var isEmpty: Bool { pieces.isEmpty }

    mutating func append(_ piece: Piece, byteCount count: Int) {
        pieces.append(piece)
        byteCount += count
    }

    /// Takes all that waits. It counts until `wrote` tells that it is written.
    mutating func take() -> [Piece] {
        defer { pieces = [] }
        return pieces
    }

    mutating func wrote(byteCount count: Int) { byteCount -= count }

    mutating func discard() {
        pieces = []
        byteCount = 0
    }

    /// - Returns: the protocol is to be told to pause.
    mutating func begsForPause() -> Bool {
        guard !isPaused, byteCount > limits.high else { return false }
        isPaused = true
        return true
    }

    /// - Returns: the protocol is to be told to go on.
    mutating func allowsMore() -> Bool {
        guard isPaused, byteCount <= limits.low else { return false }
        isPaused = false
        return true
    }
}
