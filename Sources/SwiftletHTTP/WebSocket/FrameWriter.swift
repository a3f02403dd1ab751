import Swiftlet
import SwiftletLoop

/// The sending side of a WebSocket: one frame at a time goes out, whole.
///
/// States: open -> closing (a close frame has been sent) | broken (a frame may have been sent in part).
final class FrameWriter: @unchecked Sendable {
    private static let pieceSize = 64 * 1024

    private let stream: any ByteStream
    private let masks: Bool
    private let lock = Lock()
    private var keys = MaskingKeys()
    private let state = Locked(State())

    private struct State {
        var ending: (any Error)?
        var replies = Replies()
    }

    /// Control frames that go out as soon as none is on its way.
    private struct Replies {
        var pong: [UInt8]?
        var ping: [UInt8]?
        var isEmpty: Bool { pong == nil && ping == nil }
    }

    init(_ stream: any ByteStream, masks: Bool) {
        self.stream = stream
        self.masks = masks
    }

    /// Nothing can be sent any more.
    func end(_ reason: any Error) {
        state.withLock { if $0.ending == nil { $0.ending = reason } }
    }

    /// Nothing can be sent any more, since the peer misses a part of what it needs to understand it.
    func giveUp(_ error: any Error) {
        let isCancelled = error is CancellationError
        end(isCancelled ? WebSocketError.cannotSend("the one before was cancelled on its way") : error)
        // A peer that is gone may have said why: that can still be read.
        if (error as? SocketError)?.isDisconnection != true { stream.close() }
    }

    /// Why nothing can be sent any more; `nil` while it can.
    var ending: (any Error)? { state.withLock { $0.ending } }

    /// Sends a frame.
    ///
    /// Cancellation: before the frame's first byte nothing is sent; later the connection is closed, since the peer could
    /// not tell where the next frame begins.
    /// - Parameter last: nothing is sent after it.
    func send(
        _ opcode: Opcode, _ payload: UnsafeBufferPointer<UInt8>, isFinal: Bool = true, isCompressed: Bool = false,
        last: WebSocketError? = nil
    ) throws {
        try lock.acquire()
        defer { release() }
        if let ending { throw ending }
        if let last { end(last) }
        try write(opcode, payload, isFinal, isCompressed)
    }

    /// Sends a pong, at once or behind the frame that is being sent.
    ///
    /// The reader must not wait for a writer that waits for the peer: the peer may be waiting for the reader. Nor does it
    /// fail if the peer takes nothing any more: what came before that can still be read.
    func answer(_ payload: [UInt8]) {
        state.withLock { $0.replies.pong = payload }
        sendReplies()
    }

    /// Sends a ping in the same manner.
    func probe() {
        state.withLock { $0.replies.ping = [] }
        sendReplies()
    }

    private func release() {
        unlock()
        sendReplies()
    }

    private func unlock() {
        do { try lock.release() } catch {
            preconditionFailure("a frame writer's lock belongs to somebody else: \(error)")
        }
    }

    private func sendReplies() {
        // Who wants a reply sent tries to; who held the lock then tries afterwards: so one of them does.
        while state.withLock({ !$0.replies.isEmpty }), lock.tryAcquire() {
            defer { unlock() }
            let replies = state.withLock { state in
                defer { state.replies = Replies() }
                return state.replies
            }
            do {
                if ending != nil { return }
                try shielded {
                    try replies.pong?.withUnsafeBufferPointer { try write(.pong, $0, true, false) }
                    try replies.ping?.withUnsafeBufferPointer { try write(.ping, $0, true, false) }
                }
            } catch {
                // It is kept, and told by whatever is sent next.
                return
            }
        }
    }

    private func write(
        _ opcode: Opcode, _ payload: UnsafeBufferPointer<UInt8>, _ isFinal: Bool, _ isCompressed: Bool
    ) throws {
        let header = FrameHeader(
            opcode, isFinal: isFinal, isCompressed: isCompressed, key: masks ? keys.next() : nil,
            payloadLength: payload.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(14 + min(payload.count, Self.pieceSize))
        header.write(to: &bytes)
        do {
            guard let key = header.key else {
                if payload.count > Self.pieceSize / 4 {
                    return try bytes.withUnsafeBytes {
                        try stream.write($0, UnsafeRawBufferPointer(payload), until: nil)
                    }
                }
                bytes.append(contentsOf: payload)
                return try stream.write(bytes)
            }
            var sent = 0
            repeat {
                let count = min(payload.count - sent, Self.pieceSize)
                let piece = UnsafeBufferPointer(rebasing: payload[sent..<(sent + count)])
                key.advanced(by: sent).apply(to: piece, appendingTo: &bytes)
                try stream.write(bytes)
                bytes.removeAll(keepingCapacity: true)
                sent += count
            } while sent < payload.count
        } catch {
            giveUp(error)
            throw error
        }
    }
}
