import CSwiftlet
import Glibc
import SwiftletLoop

/// Reading and writing that park, for every stream over a descriptor: sockets and pipes differ in their system calls only.
/// Those answer a count, or a negative errno.
extension Descriptor {
    /// Reads what has come. `call` reads up to `size` bytes, which is not 0.
    @inline(__always)
    func readSome(
        _ size: Int, until deadline: Deadline?, timeout: Duration?, peer: @autoclosure () -> String,
        _ call: (CInt) -> Int
    ) throws -> Int {
        var limit = WaitLimit(deadline: deadline, timeout: timeout)
        do {
            while true {
                try waitUnlessReady(.reading, until: limit.fromNow())
                let count = call(number)
                // At the end it stays ready: each further read tells so again.
                if count == size || count == 0 { return count }
                if count > 0 {
                    // A short read has emptied a stream (epoll(7)): the next one parks without asking the kernel.
                    try drained(.reading)
                    return count
                }
                guard count == -Int(EAGAIN) else { throw SocketError(.read, peer(), .init(status: count)) }
                try refused(.reading, until: limit.fromNow())
            }
        } catch {
            throw SocketError.translate(error, .read, peer())
        }
    }

    /// Calls `call` with how much has been written, until that is all.
    @inline(__always)
    func writeAll(
        _ size: Int, until deadline: Deadline?, timeout: Duration?, peer: @autoclosure () -> String,
        _ call: (CInt, Int) -> Int
    ) throws {
        var written = 0
        var limit = WaitLimit(deadline: deadline, timeout: timeout)
        do {
            while written < size {
                try waitUnlessReady(.writing, until: limit.fromNow())
                let count = call(number, written)
                if count > 0 {
                    // After a part it asks once more: only a refusal promises a further edge. Large writes can afford it.
                    written += count
                    limit.restart()  // counts from any progress
                } else {
                    guard count == -Int(EAGAIN) else { throw SocketError(.write, peer(), .init(status: count)) }
                    try refused(.writing, until: limit.fromNow())
                }
            }
        } catch {
            throw SocketError.translate(error, .write, peer())
        }
    }

    /// Waits until something can be read.
    @inline(__always)
    func waitForInput(until deadline: Deadline?, timeout: Duration?, peer: @autoclosure () -> String) throws {
        do {
            try waitUnlessReady(.reading, until: nearest(deadline, timeout))
        } catch {
            throw SocketError.translate(error, .read, peer())
        }
    }
}

/// How long an operation may wait: counts from its first wait on, so that who need not wait does not look at the clock.
private struct WaitLimit {
    let deadline: Deadline?
    let timeout: Duration?
    private var begun: Deadline?

    init(deadline: Deadline?, timeout: Duration?) {
        self.deadline = deadline
        self.timeout = timeout
    }

    /// When to give up a wait that begins now.
    mutating func fromNow() -> Deadline? {
        if begun == nil { begun = nearest(deadline, timeout) }
        return begun
    }

    mutating func restart() { begun = nil }
}
