import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct UnixTests {
    /// The path of a socket in a directory of its own.
    private func withPath(_ body: @escaping @Sendable (String) throws -> Void) async throws {
        try await onLoop {
            var template = Array("/tmp/swiftlet-unix-XXXXXX".utf8CString)
            let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
            defer { rmdir(directory) }
            try body("\(directory)/s")
        }
    }

    @Test func echoesAtAPath() async throws {
        try await withPath { path in
            let listener = try UnixListener(path: path)
            #expect(listener.localAddress.description == "unix:\(path)")
            let server = spawn {
                try listener.serve { connection in
                    #expect(connection.remoteAddress.unixPath == "")
                    try connection.write(try connection.readToEnd())
                }
            }
            let client = try UnixConnection.connect(to: path)
            try client.write("hello")
            try client.closeWriting()
            #expect(try client.readToEnd() == Array("hello".utf8))
            #expect(client.remoteAddress.unixPath == path && client.localAddress?.unixPath == "")
            listener.close()
            listener.close()
            try server.get()
            #expect(access(path, F_OK) != 0, "the file is left")
        }
    }

    @Test func anAbstractNameLeavesNoFile() async throws {
        try await onTaskLoop(parks: false) { _ in
            let name = "@swiftlet-test-\(getpid())"
            let listener = try UnixListener(path: name)
            #expect(listener.localAddress == SocketAddress(unixPath: name))
            #expect(listener.localAddress.description == "unix:\(name)")
            async let accepted = listener.accept(until: .after(.seconds(50)))
            let client = try await UnixConnection.connect(to: name)
            let server = try await accepted
            try await client.write("x")
            #expect(try await server.readExactly(1) == [120])
            let credentials = try server.peerCredentials
            #expect(credentials.processID == getpid() && credentials.userID == getuid())
            #expect(credentials.groupID == getgid())
            #expect(throws: SocketError.self) { try UnixListener(path: name) }
        }
    }

    @Test func replacesOnlyAFileThatWasLeftBehind() async throws {
        try await withPath { path in
            // Bound by a socket that is gone: its file stays, and nobody listens.
            let left = try #require(SocketAddress(unixPath: path))
            let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            let status = left.withRaw {
                bind(number, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
            }
            #expect(status == 0)
            close(number)
            #expect(
                try failure(SocketError.self) { try UnixConnection.connect(to: path) }.reason
                    == .system(errno: ECONNREFUSED))

            let listener = try UnixListener(path: path, permissions: 0o600)
            var file = stat()
            #expect(stat(path, &file) == 0 && file.st_mode & 0o777 == 0o600)
            let busy = try failure(SocketError.self) { try UnixListener(path: path) }
            #expect(busy.reason == .system(errno: EADDRINUSE))
            #expect(busy.description.contains("another program listens there"))

            // A path that somebody else has taken meanwhile is not ours to remove.
            unlink(path)
            let other = try UnixListener(path: path)
            listener.close()
            #expect(access(path, F_OK) == 0)
            other.close()
            #expect(access(path, F_OK) != 0)
            try yield()
        }
    }

    @Test func errorsNameThePath() async throws {
        try await withPath { path in
            let missing = try failure(SocketError.self) { try UnixConnection.connect(to: path) }
            #expect(missing.reason == .system(errno: ENOENT))
            #expect(missing.description.contains("connect to unix:\(path)"))
            #expect(missing.description.contains("start the server"))
            let long = String(repeating: "x", count: 108)
            #expect(
                try failure(SocketError.self) { try UnixConnection.connect(to: long) }.reason
                    == .system(errno: ENAMETOOLONG))
            #expect(SocketAddress(unixPath: String(long.dropLast())) != nil)
            #expect(SocketAddress(unixPath: "") == nil && SocketAddress(unixPath: "a\0b") == nil)
            try yield()
        }
    }

    @Test func aFullQueueMakesClientsWait() async throws {
        try await withPath { path in
            let listener = try UnixListener(path: path, backlog: 0)
            let first = try UnixConnection.connect(to: path)
            let late = try failure(SocketError.self) {
                try UnixConnection.connect(to: path, timeout: .milliseconds(20))
            }
            #expect(late.reason == .timedOut)
            let waiting = try spawnAndPark { try UnixConnection.connect(to: path, timeout: .seconds(50)) }
            #expect(!waiting.isFinished)
            _ = try listener.accept()
            _ = try waiting.get(timeout: .seconds(50))
            first.close()
        }
    }

    @Test func aPairIsConnected() async throws {
        try await onLoop {
            let (one, other) = try UnixConnection.pair()
            let reader = try spawnAndPark { try other.readToEnd() }
            try one.write(contentsOf: [Array("a".utf8), [], Array("bc".utf8)])
            one.close()
            #expect(try reader.get(timeout: .seconds(50)) == Array("abc".utf8))
            #expect(try failure(SocketError.self) { try other.write("x") }.isDisconnection)
        }
    }

    @Test func listensWithinItsLimit() async throws {
        try await withPath { path in
            let listener = try UnixListener(path: path)
            let mayEnd = Event()
            let server = spawn {
                try listener.serve(limit: 2) { connection in
                    try connection.write("in")
                    try mayEnd.wait()
                }
            }
            let clients = try (0..<3).map { _ in try UnixConnection.connect(to: path) }
            for client in clients.prefix(2) { _ = try client.readExactly(2) }
            #expect(throws: SocketError.self) { try clients[2].readExactly(1, until: .after(.milliseconds(20))) }
            mayEnd.set()
            #expect(try clients[2].readExactly(2, until: .after(.seconds(50))) == Array("in".utf8))
            listener.close()
            try server.get(timeout: .seconds(50))
        }
    }
}
