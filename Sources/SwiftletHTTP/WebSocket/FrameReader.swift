import Swiftlet
import SwiftletLoop

/// The receiving side of a WebSocket: takes frames from the stream, answers control frames, and puts messages together.
///
/// Everything that has been read stays here or in the input buffer, so a wait that is cancelled loses nothing.
final class FrameReader: @unchecked Sendable {
    private let stream: any ByteStream
    private let input: InputBuffer
    private let writer: FrameWriter
    private let isServer: Bool
    private let configuration: WebSocket.Configuration
    /// Held by whoever reads; guards the next four.
    private let lock = Lock()
    private var decoder: FrameDecoder
    private var payload: [UInt8] = []
    private var kind: WebSocket.Kind?
    /// A ping was sent because nothing came.
    private var awaitsPong = false
    private let state = Locked(State())

    private struct State {
        var ending: WebSocketError?
        var failure: (any Error)?
        var pings: [[UInt8]: Waiter<Void>] = [:]
        var pingCount: UInt64 = 0
    }

    init(
        _ stream: any ByteStream, _ input: InputBuffer, writer: FrameWriter, isServer: Bool,
        _ configuration: WebSocket.Configuration, decoder: FrameDecoder
    ) {
        self.stream = stream
        self.input = input
        self.writer = writer
        self.isServer = isServer
        self.configuration = configuration
        self.decoder = decoder
    }

    /// How it ended; `nil` while it is open.
    var ending: WebSocketError? { state.withLock { $0.ending } }

    // MARK: Messages

    func receive() throws -> WebSocket.Message? {
        try lock.withLock {
            while let event = try next(limit: configuration.messageLimit) {
                guard case .end(let kind) = event else { continue }
                let bytes = payload
                payload = []
                return kind == .text ? .text(String(decoding: bytes, as: UTF8.self)) : .binary(bytes)
            }
            return nil
        }
    }

    func receivePart() throws -> WebSocket.MessagePart? {
        try lock.withLock {
            while let event = try next(limit: nil) {
                guard let kind = decoder.openKind ?? kind(of: event) else { continue }
                let isLast = if case .end = event { true } else { false }
                if payload.isEmpty && !isLast { continue }
                let bytes = payload
                payload = []
                return WebSocket.MessagePart(kind: kind, bytes: bytes, isLast: isLast)
            }
            return nil
        }
    }

    private func kind(of event: FrameDecoder.Event) -> WebSocket.Kind? {
        if case .end(let kind) = event { kind } else { nil }
    }

    /// The next event that belongs to a message; `nil` after the peer's goodbye. Control frames are dealt with here.
    private func next(limit: Int?) throws -> FrameDecoder.Event? {
        while true {
            if let ending {
                if case .closed(let code, _) = ending, code.isOrderly { return nil }
                throw state.withLock { $0.failure } ?? ending
            }
            do {
                let (consumed, event) = try decoder.next(in: input.bytes, into: &payload, limit: limit)
                input.consume(consumed)
                switch event {
                case .incomplete: try fill()
                case .part, .end: return event
                case .ping(let payload): writer.answer(payload)
                case .pong(let payload): state.withLock { $0.pings.removeValue(forKey: payload) }?.resume(returning: ())
                case .close(let code, let reason): try acknowledge(code, reason)
                }
            } catch let error as WebSocketError {
                try fail(error)
            } catch let error as SocketError {
                end(.ended, error)
                stream.close()
            }
        }
    }

    /// Reads more, and makes sure that the peer lives.
    private func fill() throws {
        guard let heartbeat = configuration.heartbeat else {
            if try input.fill(from: stream, until: nil) == 0 { throw WebSocketError.ended }
            return
        }
        do {
            let patience = awaitsPong ? configuration.heartbeatTimeout : heartbeat
            if try input.fill(from: stream, until: .after(patience)) == 0 { throw WebSocketError.ended }
            awaitsPong = false
        } catch let error as SocketError where error.reason == .timedOut {
            guard !awaitsPong else { throw WebSocketError.peerIsSilent(after: configuration.heartbeatTimeout) }
            awaitsPong = true
            writer.probe()
        }
    }

    // MARK: Endings

    /// The peer's close frame came: answers it, and lets the connection end.
    private func acknowledge(_ code: WebSocket.CloseCode, _ reason: String) throws {
        end(.closed(code, reason: reason), nil)
        try shielded { try sendClose(code, "", .closed(code, reason: reason)) }
        try finish(within: configuration.closeTimeout)
    }

    /// Tells the peer what it did wrong, if it can still be told, and gives the connection up.
    private func fail(_ error: WebSocketError) throws {
        end(error, nil)
        guard case .violation(let code, let problem) = error else { return stream.close() }
        // A reason has 123 bytes at most; all of ours are ASCII.
        try shielded { try sendClose(code, String(problem.prefix(120)), error) }
        try finish(within: .seconds(1))
    }

    /// Sends a close frame, unless one was sent before.
    private func sendClose(_ code: WebSocket.CloseCode, _ reason: String, _ ending: WebSocketError) throws {
        guard writer.ending == nil else { return }
        var payload: [UInt8] = []
        if code.isSendable {
            payload = [UInt8(code.rawValue >> 8), UInt8(code.rawValue & 0xFF)]
            payload += reason.utf8
        }
        do {
            try payload.withUnsafeBufferPointer { try writer.send(.close, $0, last: ending) }
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // The peer has gone, or somebody else has said goodbye meanwhile.
        }
    }

    /// Lets the peer read the close frame before the connection ends: closing with bytes unread would reset it. The
    /// server ends it (RFC 6455, 7.1.1); a client waits for that.
    private func finish(within time: Duration) throws {
        defer { stream.close() }
        let limit = Deadline.after(time)
        do {
            if isServer { try stream.closeWriting() }
            repeat { input.consume(input.bytes.count) } while try input.fill(from: stream, until: limit) > 0
        } catch is SocketError {
            // It has gone, or does not go: either way that was all.
        }
    }

    private func end(_ ending: WebSocketError, _ failure: (any Error)?) {
        let pings = state.withLock { state in
            guard state.ending == nil else { return [Waiter<Void>]() }
            (state.ending, state.failure) = (ending, failure)
            defer { state.pings = [:] }
            return Array(state.pings.values)
        }
        if case .violation = ending {} else if case .closed = ending {} else { writer.end(failure ?? ending) }
        for ping in pings { ping.resume(throwing: failure ?? ending) }
    }

    // MARK: From outside

    func close(_ code: WebSocket.CloseCode, _ reason: String) throws {
        guard code.isSendable || code == .none else {
            throw WebSocketError.cannotSend("a close frame cannot have the code \(code.rawValue)")
        }
        guard reason.utf8.count <= FrameHeader.controlLimit - 2, reason.isEmpty || code != .none else {
            throw WebSocketError.cannotSend("a close frame's reason has 123 bytes at most, and a code")
        }
        let timeout = configuration.closeTimeout
        do {
            try withTimeout(timeout) {
                try sendClose(code, reason, .closed(code, reason: reason))
                try lock.withLock {
                    payload = []
                    while ending == nil, try next(limit: nil) != nil { payload = [] }
                }
            }
        } catch is DeadlineExceeded {
            // The peer does not say goodbye.
            end(.ended, nil)
        } catch let error where !(error is CancellationError) {
            // However it ended, it has ended.
        }
        stream.close()
    }

    /// Closes the stream, whatever the peer thinks.
    func drop() {
        if ending == nil { end(.ended, nil) }
        stream.close()
    }

    func ping(timeout: Duration) throws -> Duration {
        let began = Deadline.now
        let waiter = Waiter<Void>()
        let payload: [UInt8] = try state.withLock { state in
            if let ending = state.ending { throw state.failure ?? ending }
            state.pingCount += 1
            let payload = Array(String(state.pingCount).utf8)
            state.pings[payload] = waiter
            return payload
        }
        defer { state.withLock { $0.pings[payload] = nil } }
        try payload.withUnsafeBufferPointer { try writer.send(.ping, $0) }
        guard try waiter.wait(until: .after(timeout)) != nil else { throw WebSocketError.peerIsSilent(after: timeout) }
        return .zero - began.remaining
    }
}
