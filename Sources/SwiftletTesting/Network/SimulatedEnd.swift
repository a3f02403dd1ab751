import Glibc
import SwiftletLoop
import SwiftletNet

/// One end of a simulated connection: sends pieces, again until they arrive, and puts those that come into their order.
///
/// States: open -> closed | failed. Writing and reading end by themselves before: `hasEndedWriting`, `hasEnded`. Both ends
/// know each other until both are closed or one has failed. Belongs to the loop that runs the program.
final class SimulatedEnd: @unchecked Sendable {
    /// What is under way or not yet read, at most: the receiver's window.
    static let window = 64 * 1024
    private static let pieceSize = 16 * 1024
    /// How often a piece is sent again, and the pauses before that, which double (Linux: tcp_retries2; RFC 6298).
    private static let retries = 15
    private static let firstPause = Duration.milliseconds(200)
    private static let longestPause = Duration.seconds(120)

    private enum Piece {
        case bytes([UInt8])
        case end
    }

    private let network: SimulatedNetwork
    private let host: String
    let peerName: String
    let remoteAddress: SocketAddress
    private var random: SeededRandom
    private var peer: SimulatedEnd?

    private var sent = 0
    /// Bytes that the peer has not read yet.
    private var unread = 0
    private(set) var hasEndedWriting = false
    /// Set when there may be room to write.
    let room = Event()

    /// Pieces that have overtaken others.
    private var early: [Int: Piece] = [:]
    private var expected = 0
    private var bytes: [UInt8] = []
    private(set) var hasEnded = false
    /// Set when something may have come.
    let arrival = Event()

    private(set) var isClosed = false
    /// Why it failed: an errno.
    private(set) var failure: CInt?
    var observer: ((_ isBroken: Bool) -> Void)?

    init(of network: SimulatedNetwork, on host: String, to peerName: String, at remoteAddress: SocketAddress) {
        self.network = network
        self.host = host
        self.peerName = peerName
        self.remoteAddress = remoteAddress
        random = network.fork()
    }

    func join(_ other: SimulatedEnd) {
        peer = other
        other.peer = self
    }

    // MARK: Sending

    /// Brings something to the other end, again until it arrives; gives the connection up in the end.
    func deliver(tried: Int = 0, _ arrive: @escaping (SimulatedEnd) -> Void) {
        guard failure == nil, let peer else { return }
        network.carry(from: host, to: peer.host, drawing: &random) {
            arrive(peer)
        } lose: {
            guard tried < Self.retries else { return self.fail(ETIMEDOUT) }
            self.network.later(min(Self.firstPause * (1 << tried), Self.longestPause)) {
                self.deliver(tried: tried + 1, arrive)
            }
        }
    }

    private func send(_ piece: Piece) {
        let number = sent
        sent += 1
        deliver { $0.take(number, piece) }
    }

    var hasRoom: Bool { unread < Self.window }

    /// Sends as many bytes as there is room for now.
    ///
    /// - Returns: how many.
    func write(_ rest: Slice<UnsafeRawBufferPointer>) -> Int {
        let count = min(rest.count, Self.pieceSize, Self.window - unread)
        unread += count
        send(.bytes(Array(rest.prefix(count))))
        return count
    }

    func endWriting() {
        guard !hasEndedWriting else { return }
        hasEndedWriting = true
        send(.end)
    }

    // MARK: Receiving

    private func take(_ number: Int, _ piece: Piece) {
        guard failure == nil else { return }
        // Who has closed wants nothing more, and says so.
        if isClosed, case .bytes = piece { return reset() }
        early[number] = piece
        while let next = early.removeValue(forKey: expected) {
            expected += 1
            switch next {
            case .bytes(let more): bytes += more
            case .end:
                hasEnded = true
                observer?(false)
            }
        }
        arrival.set()
    }

    var hasInput: Bool { !bytes.isEmpty || hasEnded || failure != nil }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(buffer.count, bytes.count)
        guard count > 0 else { return 0 }
        buffer.copyBytes(from: bytes[..<count])
        bytes.removeFirst(count)
        deliver { sender in
            sender.unread -= count
            sender.room.set()
        }
        return count
    }

    // MARK: Ending

    /// Ends both directions. What was sent arrives; what was not read is refused, as by the kernel.
    func close() {
        guard !isClosed else { return }
        if bytes.isEmpty { endWriting() } else { reset() }
        isClosed = true
        wake()
        if let peer, peer.isClosed { part(from: peer) }
    }

    /// Ends it without a farewell: the peer's next read or write fails.
    func abort() {
        guard !isClosed else { return }
        reset()
        isClosed = true
        wake()
    }

    private func reset() {
        deliver { $0.fail(ECONNRESET) }
    }

    private func fail(_ errno: CInt) {
        guard failure == nil else { return }
        failure = errno
        if !isClosed { observer?(true) }
        wake()
        if let peer { part(from: peer) }
    }

    private func part(from peer: SimulatedEnd) {
        // Not the other one's link: it may still have a failure to tell, or find out by itself.
        if peer.isClosed || peer.failure != nil { peer.peer = nil }
        if isClosed || failure != nil { self.peer = nil }
        observer = nil
    }

    private func wake() {
        arrival.set()
        room.set()
    }
}
