import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct ListenerTests {
    @Test func busyPortIsNamed() throws {
        let listener = try TCPListener()
        #expect(listener.port > 0)
        let error = try failure(SocketError.self) { try TCPListener(port: listener.port) }
        #expect(error.reason == .system(errno: EADDRINUSE))
        #expect(error.description.contains("127.0.0.1:\(listener.port)"))
        #expect(error.description.contains("the port is taken"))
        #expect(throws: ResolverError.self) { try TCPListener(port: 70000) }
        #expect(
            try failure(SocketError.self) { try TCPListener(host: "192.0.2.1") }.reason == .system(errno: EADDRNOTAVAIL)
        )
    }

    @Test func sharesAPort() throws {
        let first = try TCPListener(reusePort: true)
        let second = try TCPListener(port: first.port, reusePort: true)
        #expect(second.port == first.port)
    }

    @Test func closingWakesAcceptors() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let acceptors = try (0..<3).map { _ in try spawnAndPark { try listener.accept() } }
            listener.close()
            for acceptor in acceptors {
                #expect(try failure(SocketError.self) { try acceptor.get(timeout: .seconds(60)) }.reason == .closed)
            }
            #expect(try failure(SocketError.self) { try listener.accept() }.reason == .closed)
        }
    }

    @Test func cancellingWakesAnAcceptor() async throws {
        try await onLoop {
            let listener = try TCPListener()
            let acceptor = try spawnAndPark { try listener.accept() }
            acceptor.cancel()
            #expect(throws: CancellationError.self) { try acceptor.get(timeout: .seconds(60)) }
            let error = try failure(SocketError.self) { try listener.accept(until: .after(.milliseconds(5))) }
            #expect(error.reason == .timedOut)
        }
    }

    @Test func outlivesShortagesAndAbortedConnections() async throws {
        ReportLog.begin()
        try await onLoop {
            let listener = try TCPListener()
            Faults.plan(
                SWIFTLET_CALL_ACCEPT, listener.descriptor.number,
                errors: [ECONNABORTED, EMFILE, EMFILE, EPROTO, ENFILE])
            defer { Faults.end(SWIFTLET_CALL_ACCEPT, listener.descriptor.number) }
            let client = try TCPConnection.connect(to: "127.0.0.1", port: listener.port)
            #expect(try listener.accept().remoteAddress == client.localAddress)

            Faults.plan(SWIFTLET_CALL_ACCEPT, listener.descriptor.number, errors: [EINVAL])
            #expect(try failure(SocketError.self) { try listener.accept() }.reason == .system(errno: EINVAL))
            #expect(ReportLog.reports(containing: "accept at \(listener.localAddress): Too many open files").count == 1)

            // The pauses grow: five take 5 + 10 + 20 + 40 + 80 ms at least. A deadline ends one.
            Faults.plan(
                SWIFTLET_CALL_ACCEPT, listener.descriptor.number, errors: Array(repeating: EMFILE, count: 100))
            let late = try failure(SocketError.self) { try listener.accept(until: .after(.milliseconds(160))) }
            #expect(late.reason == .timedOut)
            #expect(Faults.calls(SWIFTLET_CALL_ACCEPT, listener.descriptor.number) <= 7)
        }
    }

    @Test func reportsWhatAHandlerThrows() async throws {
        struct Broken: Error { let port: Int }
        ReportLog.begin()
        try await onLoop {
            let listener = try TCPListener()
            let server = spawn {
                try listener.serve { connection in
                    _ = try connection.readExactly(1)
                    throw Broken(port: listener.port)
                }
            }
            for text in ["x", ""] {  // the second goes away early, which is nothing to report
                try TCPConnection.with("127.0.0.1", port: listener.port) { connection in
                    try connection.write(text)
                    try connection.closeWriting()
                    #expect(try connection.readToEnd().isEmpty)
                }
            }
            listener.close()
            try server.get()
            #expect(ReportLog.reports(containing: "Broken(port: \(listener.port))").count == 1)
        }
    }
}

@Suite struct SystemCallTests {
    @Test func aRequestCostsOneReadAndOneWrite() async throws {
        try await onLoop {
            let pair = try makePair()
            let number = pair.server.descriptor.number
            let server = spawn {
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
                defer { buffer.deallocate() }
                while case let count = try pair.server.read(into: buffer), count > 0 {
                    try pair.server.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                }
            }
            func exchange() throws {
                try pair.client.write("ping")
                #expect(try pair.client.readExactly(4).count == 4)
            }
            try exchange()  // the first registers the descriptor
            Faults.plan(SWIFTLET_CALL_RECEIVE, number)
            Faults.plan(SWIFTLET_CALL_SEND, number)
            for _ in 0..<100 { try exchange() }
            #expect(Faults.calls(SWIFTLET_CALL_RECEIVE, number) == 100)
            #expect(Faults.calls(SWIFTLET_CALL_SEND, number) == 100)
            Faults.end(SWIFTLET_CALL_RECEIVE, number)
            Faults.end(SWIFTLET_CALL_SEND, number)
            pair.client.close()
            try server.get()
        }
    }

    @Test func interruptedAndPartialCallsGoOn() async throws {
        try await onLoop {
            let pair = try makePair()
            let (reading, writing) = (pair.server.descriptor.number, pair.client.descriptor.number)
            Faults.plan(SWIFTLET_CALL_SEND, writing, errors: [EINTR, EINTR], largest: 7)
            Faults.plan(SWIFTLET_CALL_RECEIVE, reading, errors: [EINTR, EINTR])
            defer {
                Faults.end(SWIFTLET_CALL_SEND, writing)
                Faults.end(SWIFTLET_CALL_RECEIVE, reading)
            }
            let head = (0..<40).map { UInt8($0) }
            let body = (40..<100).map { UInt8($0) }
            let reader = try spawnAndPark { try pair.server.readToEnd() }
            try pair.client.write(head, body)
            pair.client.close()
            #expect(try reader.get(timeout: .seconds(60)) == head + body)
        }
    }

    @Test func failuresAreNamed() async throws {
        try await onLoop {
            let pair = try makePair()
            let number = pair.client.descriptor.number
            Faults.plan(SWIFTLET_CALL_SEND, number, errors: [EPIPE])
            Faults.plan(SWIFTLET_CALL_RECEIVE, number, errors: [ECONNRESET, ENOMEM])
            defer {
                Faults.end(SWIFTLET_CALL_SEND, number)
                Faults.end(SWIFTLET_CALL_RECEIVE, number)
            }
            let write = try failure(SocketError.self) { try pair.client.write("x") }
            #expect(write.isDisconnection)
            #expect(write.description.contains("write to 127.0.0.1:\(pair.client.remoteAddress.port): Broken pipe"))
            // Who connects reads only when something has come.
            try pair.server.write("x")
            #expect(try failure(SocketError.self) { try pair.client.read(upTo: 1) }.isDisconnection)
            #expect(try !failure(SocketError.self) { try pair.client.read(upTo: 1) }.isDisconnection)
            try yield()
        }
    }
}

@Suite struct DescriptorLeakTests {
    @Test func everythingIsClosed() async throws {
        let names = try await onLoop {
            let listener = try TCPListener()
            var names = socketNames([listener.descriptor.number])
            for number in 0..<10 {
                let client = try TCPConnection.connect(to: "127.0.0.1", port: listener.port)
                let server = try listener.accept()
                names.formUnion(socketNames([client.descriptor.number, server.descriptor.number]))
                #expect(names.count == 2 * number + 3)
                #expect(stillOpen(names).count >= 3)
                let reader = try spawnAndPark { try server.read(upTo: 1) }
                // Some are closed, some are left to their last reference.
                if number.isMultiple(of: 2) { client.close() } else { reader.cancel() }
                _ = try reader.join()
            }
            return names
        }
        #expect(names.count == 21)
        #expect(stillOpen(names).isEmpty)
    }
}
