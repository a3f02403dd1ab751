import CSwiftlet
import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// The thread that listens and samples, and one for each client that has connected.
final class InspectionServer: Sendable {
    private static let clientLimit = 8

    let path: String
    private let listener: CInt
    /// Written to end the thread.
    private let ending: CInt
    private let process = getpid()
    private let sampler = Sampler()
    private let clients = Locked<Int>(0)

    init() throws {
        let directory = try InspectionSocket.makeDirectory()
        path = "\(directory)/\(getpid())"
        listener = try InspectionSocket.listen(at: path)
        ending = swiftlet_inspect_event()
        guard ending >= 0 else {
            let reason = errno
            close(listener)
            unlink(path)
            throw InspectorError.cannotListen(path: path, errno: reason)
        }
        DescriptorOrigins.begin()
        swiftlet_inspect_unlink_at_exit(path)
        do {
            try startThread(name: "swiftlet-inspect") { self.serve() }
        } catch {
            giveBack()
            throw error
        }
    }

    /// Not in the child of a fork, where its thread is not.
    var isOfThisProcess: Bool { process == getpid() }

    func stop() {
        var one: UInt64 = 1
        _ = write(ending, &one, 8)
    }

    private func giveBack() {
        DescriptorOrigins.end()
        swiftlet_inspect_unlink_at_exit("")
        if isOfThisProcess { unlink(path) }
        close(listener)
        close(ending)
    }

    private func serve() {
        ServiceThreads.enter()
        defer {
            giveBack()
            ServiceThreads.leave()
        }
        Inspection.prepare()
        var wanted = [
            pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
            pollfd(fd: ending, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let count = poll(&wanted, 2, CInt(Sampler.interval))
            if count > 0, wanted[1].revents != 0 { return }
            if count > 0, wanted[0].revents != 0 { accept() }
            sampler.sample()
        }
    }

    private func accept() {
        let number = swiftlet_inspect_accept(listener)
        guard number >= 0 else { return }
        let connection = InspectionConnection(number)
        guard connection.isFromOwner else {
            connection.refuse("this process belongs to another user: use its account, or root")
            return
        }
        let isFull = clients.withLock { clients in
            if clients >= Self.clientLimit { return true }
            clients += 1
            return false
        }
        if isFull { return connection.refuse("\(Self.clientLimit) commands look at this process already") }
        do {
            try startThread(name: "swiftlet-inspect") {
                ServiceThreads.enter()
                connection.serve(self.sampler)
                ServiceThreads.leave()
                self.clients.withLock { $0 -= 1 }
            }
        } catch {
            clients.withLock { $0 -= 1 }
            connection.refuse("\(error)")
        }
    }
}
