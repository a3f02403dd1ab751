import Glibc
import SwiftletCoroutines
package import SwiftletLoop

/// One end of a connection that is only memory: for tests without sockets. Each direction holds up to 64 KB.
package final class MemoryStream: ByteStream, @unchecked Sendable {
    private static let capacity = 64 * 1024

    /// One direction.
    private final class Pipe: @unchecked Sendable {
        struct State {
            var bytes: [UInt8] = []
            var isEnded = false
            /// No one reads any more: what is written gets lost.
            var isBroken = false
            var changed: Waiter<Void>?
        }

        private let state = Locked(State())

        func withState<Value>(_ body: (inout State) throws -> Value) rethrows -> Value { try state.withLock(body) }

        /// Changes it and wakes who waits.
        func change(_ body: (inout State) -> Void) {
            let waiter = state.withLock { state in
                body(&state)
                return state.changed.take()
            }
            waiter?.resume(returning: ())
        }

        /// Parks until `isReady` holds.
        ///
        /// - Returns: false when the deadline came first.
        func wait(until deadline: Deadline?, for isReady: (State) -> Bool) throws -> Bool {
            while true {
                let waiter = state.withLock { state -> Waiter<Void>? in
                    if isReady(state) { return nil }
                    let waiter = state.changed ?? Waiter()
                    state.changed = waiter
                    return waiter
                }
                guard let waiter else { return true }
                if try waiter.wait(until: deadline) == nil { return false }
            }
        }
    }

    package let remoteAddress: SocketAddress
    package var readTimeout: Duration?
    package var writeTimeout: Duration?
    private let incoming: Pipe
    private let outgoing: Pipe
    private let closed = Locked(false)
    private let observer = Locked<Handler<Bool>?>(nil)
    private weak var other: MemoryStream?

    private init(incoming: Pipe, outgoing: Pipe, remoteAddress: SocketAddress) {
        self.incoming = incoming
        self.outgoing = outgoing
        self.remoteAddress = remoteAddress
    }

    /// Makes both ends of a connection.
    package static func pair(remoteAddress: SocketAddress? = nil) -> (client: MemoryStream, server: MemoryStream) {
        let (first, second) = (Pipe(), Pipe())
        let address = remoteAddress ?? SocketAddress(numericHost: "127.0.0.1", port: 0)!
        let client = MemoryStream(incoming: first, outgoing: second, remoteAddress: address)
        let server = MemoryStream(incoming: second, outgoing: first, remoteAddress: address)
        client.other = server
        server.other = client
        return (client, server)
    }

    package var peerName: String { "memory" }
    package var isClosed: Bool { closed.withLock { $0 } }
    package var hasInput: Bool { incoming.withState { !$0.bytes.isEmpty || $0.isEnded } }

    package func waitForInput(until deadline: Deadline?) throws {
        let isReady = try incoming.wait(until: nearest(deadline, readTimeout)) { !$0.bytes.isEmpty || $0.isEnded }
        if !isReady { throw SocketError(.read, peerName, .timedOut) }
        if isClosed { throw SocketError(.read, peerName, .closed) }
    }

    package func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline?) throws -> Int {
        guard buffer.count > 0 else { return 0 }
        try waitForInput(until: deadline)
        var count = 0
        incoming.change { state in
            count = min(buffer.count, state.bytes.count)
            buffer.copyBytes(from: state.bytes[..<count])
            state.bytes.removeFirst(count)
        }
        return count
    }

    package func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline?) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let isReady = try outgoing.wait(until: nearest(deadline, writeTimeout)) {
                $0.bytes.count < Self.capacity || $0.isBroken || $0.isEnded
            }
            if !isReady { throw SocketError(.write, peerName, .timedOut) }
            if isClosed { throw SocketError(.write, peerName, .closed) }
            var isBroken = false
            outgoing.change { state in
                isBroken = state.isBroken || state.isEnded
                let count = min(rest.count, Self.capacity - state.bytes.count)
                if !isBroken { state.bytes.append(contentsOf: rest.prefix(count)) }
                rest = rest.dropFirst(count)
            }
            if isBroken { throw SocketError(.write, peerName, .system(errno: EPIPE)) }
        }
    }

    package func closeWriting() throws {
        outgoing.change { $0.isEnded = true }
        other?.tellEnd(isBroken: false)
    }

    package func close() {
        let wasClosed = closed.withLock { closed in
            defer { closed = true }
            return closed
        }
        if wasClosed { return }
        outgoing.change { $0.isEnded = true }
        incoming.change { state in
            state.isEnded = true
            state.isBroken = true
        }
        other?.tellEnd(isBroken: true)
    }

    package func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) {
        self.observer.withLock { $0 = Handler(observer) }
    }

    private func tellEnd(isBroken: Bool) { observer.withLock { $0 }?.call(isBroken) }
}
