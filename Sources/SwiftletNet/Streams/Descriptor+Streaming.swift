import CSwiftlet
import Glibc
import SwiftletLoop

/// Reading and writing that park, for every stream over a descriptor: sockets and pipes differ in their system calls only.
/// Those answer a count, or a negative errno.
extension Descriptor {
    /// Reads what has come. `call` reads up to `size` bytes, which is not 0.
    @inline(__always)
    func readSome(
        _ size: Int, until limit: Deadline?, peer: @autoclosure () -> String, _ call: (CInt) -> Int
    ) throws -> Int {
        do {
            while true {
                try waitUnlessReady(.reading, until: limit)
                let count = call(number)
                // At the end it stays ready: each further read tells so again.
                if count == size || count == 0 { return count }
                if count > 0 {
                    // A short read has emptied a stream (epoll(7)): the next one parks without asking the kernel.
                    try drained(.reading)
                    return count
                }
                guard count == -Int(EAGAIN) else { throw SocketError(.read, peer(), .init(status: count)) }
                try refused(.reading, until: limit)
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
        var limit = nearest(deadline, timeout)
        do {
            while written < size {
                try waitUnlessReady(.writing, until: limit)
                let count = call(number, written)
                if count > 0 {
                    // After a part it asks once more: only a refusal promises a further edge. Large writes can afford it.
                    written += count
                    if written < size { limit = nearest(deadline, timeout) }  // counts from any progress
                } else {
                    guard count == -Int(EAGAIN) else { throw SocketError(.write, peer(), .init(status: count)) }
                    try refused(.writing, until: limit)
                }
            }
        } catch {
            throw SocketError.translate(error, .write, peer())
        }
    }

    /// Waits until something can be read.
    func waitForInput(until limit: Deadline?, peer: @autoclosure () -> String) throws {
        do {
            try waitUnlessReady(.reading, until: limit)
        } catch {
            throw SocketError.translate(error, .read, peer())
        }
    }
}
