import Glibc
import SwiftletLoop
import SwiftletNet

/// One end of a simulated connection as its user has it: closed with the last reference.
final class SimulatedStream: ByteStream, @unchecked Sendable {
    private let end: SimulatedEnd
    var readTimeout: Duration?
    var writeTimeout: Duration?

    init(_ end: SimulatedEnd) { self.end = end }

    deinit { end.close() }

    var remoteAddress: SocketAddress { end.remoteAddress }
    var peerName: String { end.peerName }
    var isClosed: Bool { end.isClosed }
    var hasInput: Bool { end.hasInput }

    func close() { end.close() }

    func observeEnd(_ observer: @escaping (_ isBroken: Bool) -> Void) throws { end.observer = observer }

    // MARK: Reading

    func waitForInput(until deadline: Deadline?) throws {
        let limit = nearest(deadline, readTimeout)
        while !end.hasInput, !end.isClosed {
            end.arrival.clear()
            guard try end.arrival.wait(timeout: limit?.remaining) else {
                throw SocketError(.read, peerName, .timedOut)
            }
        }
    }

    func read(into buffer: UnsafeMutableRawBufferPointer, until deadline: Deadline?) throws -> Int {
        guard buffer.count > 0 else { return 0 }
        try waitForInput(until: deadline)
        if end.isClosed { throw SocketError(.read, peerName, .closed) }
        let count = end.read(into: buffer)
        if count == 0, let failure = end.failure { throw SocketError(.read, peerName, .system(errno: failure)) }
        return count
    }

    // MARK: Writing

    func write(_ bytes: UnsafeRawBufferPointer, until deadline: Deadline?) throws {
        var rest = bytes[...]
        var limit = nearest(deadline, writeTimeout)
        while !rest.isEmpty {
            if end.isClosed { throw SocketError(.write, peerName, .closed) }
            if let failure = end.failure { throw SocketError(.write, peerName, .system(errno: failure)) }
            if end.hasEndedWriting { throw SocketError(.write, peerName, .system(errno: EPIPE)) }
            if end.hasRoom {
                rest = rest.dropFirst(end.write(rest))
                limit = nearest(deadline, writeTimeout)  // counts from any progress
            } else {
                end.room.clear()
                guard try end.room.wait(timeout: limit?.remaining) else {
                    throw SocketError(.write, peerName, .timedOut)
                }
            }
        }
    }

    func closeWriting() throws {
        if end.isClosed { throw SocketError(.closeWriting, peerName, .closed) }
        end.endWriting()
    }

    private func nearest(_ deadline: Deadline?, _ timeout: Duration?) -> Deadline? {
        guard let timeout else { return deadline }
        let limit = Deadline.after(timeout)
        return deadline.map { min($0, limit) } ?? limit
    }
}
