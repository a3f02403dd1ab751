import Glibc
import Swiftlet
import SwiftletCoroutines
import TestSupport

@testable import SwiftletNet

/// A server on a thread of its own that answers as its script says, well or badly. It counts what it is asked.
final class ScriptedServer: Sendable {
    /// What to do about a request to a path that has been asked for so often before.
    enum Step: Sendable {
        case answer(_ status: Int, _ body: String = "", fields: [String] = [])
        /// Bytes as they are, then the end of the stream.
        case raw(String)
        /// An answer after a while.
        case later(Duration, String)
        /// The connection is reset.
        case reset
        case silence
    }

    private struct State {
        var counts: [String: Int] = [:]
        var current = 0
        var most = 0
        var heads: [String] = []
    }

    private let state = Locked(State())
    let port: Int
    private let listener: TCPListener

    init(_ script: @escaping @Sendable (_ path: String, _ count: Int) -> Step) async throws {
        let listener = try TCPListener()
        self.listener = listener
        port = listener.port
        startThread { [self] in
            do {
                try EventLoop.run(takesOver: false) {
                    try listener.serve { try self.serve($0, script) }
                }
            } catch {
                Report(.handlerError, "the scripted server ended: \(error)").post()
            }
        }
    }

    func close() { listener.close() }

    func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }
    func count(_ path: String) -> Int { state.withLock { $0.counts[path] ?? 0 } }
    /// Of all paths.
    var total: Int { state.withLock { $0.counts.values.reduce(0, +) } }
    /// The most requests at a time.
    var most: Int { state.withLock { $0.most } }
    var heads: [String] { state.withLock { $0.heads } }

    private func serve(_ connection: TCPConnection, _ script: (String, Int) -> Step) throws {
        var unread: [UInt8] = []
        while true {
            var end: Range<Int>?
            while end == nil {
                let bytes = try connection.read(upTo: 65536)
                if bytes.isEmpty { return }
                unread += bytes
                // A client that begins TLS is told in clear, as by other servers, that this is none (RFC 8446 5.1: type 22).
                if unread[0] == 22 { return try connection.write("HTTP/1.1 400 Bad Request\r\n\r\n") }
                end = unread.firstRange(of: Array("\r\n\r\n".utf8))
            }
            let head = String(decoding: unread[..<end!.lowerBound], as: UTF8.self)
            var rest = length(head) - (unread.count - end!.upperBound)
            while rest > 0 { rest -= try connection.read(upTo: rest).count }
            unread = []
            let path = String(head.split(separator: " ")[1])
            let count = state.withLock { state in
                state.heads.append(head)
                state.current += 1
                state.most = max(state.most, state.current)
                state.counts[path, default: 0] += 1
                return state.counts[path]! - 1
            }
            defer { state.withLock { $0.current -= 1 } }
            guard try act(script(path, count), on: connection) else { return }
        }
    }

    private func length(_ head: String) -> Int {
        head.lowercased().firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.1) } ?? 0
    }

    private func act(_ step: Step, on connection: TCPConnection) throws -> Bool {
        switch step {
        case .answer(let status, let body, let fields):
            let lines = fields.map { $0 + "\r\n" }.joined()
            try connection.write("HTTP/1.1 \(status) X\r\nContent-Length: \(body.utf8.count)\r\n\(lines)\r\n\(body)")
            return true
        case .raw(let text):
            try connection.write(text)
            return false
        case .later(let delay, let body):
            try sleep(delay)
            return try act(.answer(200, body), on: connection)
        case .reset:
            var option = linger(l_onoff: 1, l_linger: 0)  // socket(7): closing resets
            setsockopt(
                connection.descriptor.number, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
            return false
        case .silence:
            _ = try connection.read(upTo: 1)
            return false
        }
    }
}
