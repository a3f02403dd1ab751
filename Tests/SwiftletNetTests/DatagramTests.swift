import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct DatagramTests {
    @Test func datagramsGoToAndFro() async throws {
        try await onLoop {
            let server = try UDPSocket()
            let client = try UDPSocket()
            let echo = try spawnAndPark { () throws -> Void in
                for _ in 0..<3 {
                    let datagram = try server.receive()
                    #expect(datagram.sender == client.localAddress && !datagram.isTruncated)
                    try server.send("echo \(datagram.text)", to: datagram.sender)
                }
            }
            for text in ["a", "", "été"] {
                try client.send(text, to: server.localAddress)
                let answer = try client.receive(until: .after(.seconds(50)))
                #expect(answer.text == "echo \(text)" && answer.sender == server.localAddress)
            }
            try echo.get(timeout: .seconds(50))
        }
    }

    @Test func datagramsStayWholeAndInOrderOnOneMachine() async throws {
        try await onLoop {
            let receiver = try UDPSocket()
            let sender = try UDPSocket.connect(to: "127.0.0.1", port: receiver.port)
            #expect(sender.remoteAddress == receiver.localAddress && receiver.remoteAddress == nil)
            for size in 0..<20 { try sender.send([UInt8](repeating: UInt8(size), count: size)) }
            for size in 0..<20 {
                #expect(try receiver.receive().bytes == [UInt8](repeating: UInt8(size), count: size))
            }
            // The queue is empty: now it parks.
            #expect(throws: SocketError.self) { try receiver.receive(until: .after(.milliseconds(5))) }
            let large = [UInt8](repeating: 7, count: 65_507)
            try sender.send(large)
            #expect(try receiver.receive().bytes == large)
            let error = try failure(SocketError.self) { try sender.send(large + [1]) }
            #expect(error.reason == .system(errno: EMSGSIZE))
            #expect(error.description.contains("at most 65507 bytes"))
        }
    }

    @Test func whatDoesNotFitIsTold() async throws {
        try await onLoop {
            let (receiver, sender) = (try UDPSocket(), try UDPSocket())
            let datagram = try spawnAndPark { try receiver.receive(upTo: 4) }
            try sender.send("123456", to: receiver.localAddress)
            let first = try datagram.get(timeout: .seconds(50))
            #expect(first.text == "1234" && first.isTruncated)
            try sender.send("abcd", to: receiver.localAddress)
            #expect(
                try receiver.receive(upTo: 4)
                    == Datagram(
                        bytes: Array("abcd".utf8), sender: sender.localAddress, isTruncated: false))
        }
    }

    @Test func errorsNameTheirCause() async throws {
        try await onLoop {
            let socket = try UDPSocket()
            #expect(try failure(SocketError.self) { try UDPSocket(port: socket.port) }.description.contains("is taken"))
            #expect(try failure(SocketError.self) { try socket.send("x") }.description.contains("not connected"))
            let late = try failure(SocketError.self) { try socket.receive(until: .after(.milliseconds(2))) }
            #expect(late.reason == .timedOut && late.operation == .receive)
            // Nobody receives there, and this machine says so.
            let port = try UDPSocket().port
            let lost = try UDPSocket.connect(to: "127.0.0.1", port: port)
            try lost.send("x")
            let refused = try failure(SocketError.self) { try lost.receive(until: .after(.seconds(50))) }
            #expect(refused.reason == .system(errno: ECONNREFUSED))
            #expect(throws: ResolverError.self) { try UDPSocket(port: 70_000) }
        }
    }

    @Test func closingAndCancellingEndTheWait() async throws {
        try await onLoop {
            let socket = try UDPSocket()
            let cancelled = try spawnAndPark { try socket.receive() }
            cancelled.cancel()
            #expect(throws: CancellationError.self) { try cancelled.get(timeout: .seconds(50)) }
            let waiting = try spawnAndPark { try socket.receive() }
            socket.close()
            socket.close()
            #expect(try failure(SocketError.self) { try waiting.get(timeout: .seconds(50)) }.reason == .closed)
            #expect(try failure(SocketError.self) { try socket.send("x", to: socket.localAddress) }.reason == .closed)
            #expect(socket.isClosed)
        }
    }

    @Test func aFullQueueMakesTheSenderWait() async throws {
        try await onLoop {
            let (receiver, sender) = (try UDPSocket(), try UDPSocket())
            Faults.plan(SWIFTLET_CALL_SEND, sender.descriptor.number, errors: [EINTR, EAGAIN])
            Faults.plan(SWIFTLET_CALL_RECEIVE, receiver.descriptor.number, errors: [EINTR])
            defer {
                Faults.end(SWIFTLET_CALL_SEND, sender.descriptor.number)
                Faults.end(SWIFTLET_CALL_RECEIVE, receiver.descriptor.number)
            }
            let sending = try spawnAndPark { try sender.send("x", to: receiver.localAddress) }
            #expect(!sending.isFinished)
            // The kernel would tell of room; here there was room all along, so the wait is told again by asking anew.
            sending.cancel()
            try sending.join()
            try sender.send("y", to: receiver.localAddress)
            #expect(try receiver.receive().text == "y")
        }
    }

    @Test func nothingStaysOpen() async throws {
        let names = try await onLoop { () throws -> Set<String> in
            let sockets = try (0..<3).map { _ in try UDPSocket() }
            let connected = try UDPSocket.connect(to: "127.0.0.1", port: sockets[0].port)
            let taken = try failure(SocketError.self) { try UDPSocket(port: sockets[0].port) }
            #expect(taken.operation == .bind)
            let names = socketNames((sockets + [connected]).map(\.descriptor.number))
            #expect(names.count == 4)
            let waiting = try sockets.map { socket in try spawnAndPark { try socket.receive() } }
            sockets[0].close()
            try killAll(waiting)
            return names
        }
        #expect(stillOpen(names).isEmpty)
    }

    @Test func fromTasksAndPlainThreads() async throws {
        try await onTaskLoop { _ in
            let (receiver, sender) = (try UDPSocket(), try await UDPSocket.connect(to: "localhost", port: 9))
            let isReceiving = Event()
            async let datagram = {
                isReceiving.set()
                return try await receiver.receive(until: .after(.seconds(50)))
            }()
            try await isReceiving.wait()
            let other = try UDPSocket()
            try await other.send("task", to: receiver.localAddress)
            #expect(try await datagram.text == "task")
            #expect(sender.remoteAddress?.port == 9)
        }
        let (receiver, sender) = (try UDPSocket(), try UDPSocket())
        try await onFreshThread {
            try sender.send("thread", to: receiver.localAddress)
            #expect(try receiver.receive().text == "thread")
            #expect(throws: SocketError.self) { try receiver.receive(until: .after(.milliseconds(2))) }
        }
    }
}
