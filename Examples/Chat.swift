import Swiftlet
import SwiftletHTTP
import SwiftletLoop

/// A chat room over WebSocket. The word after the name is the port of a server to join; without one this is the server.
///
///     swift run SwiftletExamples chat            # Talk at ws://127.0.0.1:5001/chat
///     swift run SwiftletExamples chat 5001       # what you type goes to all others
func chat() throws {
    let words = CommandLine.arguments.dropFirst(2)
    try EventLoop.run {
        if let port = words.first {
            try joinChat("ws://127.0.0.1:\(port)/chat")
        } else {
            try serveChat()
        }
    }
}

private func serveChat() throws {
    var configuration = HTTPServer.Configuration()
    configuration.port = Settings.number("PORT", default: 5001)
    let server = HTTPServer(configuration)
    let room = Room()
    server.webSocket("/chat") { socket in
        let name = "guest \(room.enter(socket))"
        defer { room.leave(socket) }
        room.tell("* \(name) has come")
        // A loop, not `receive`, so that leaving without a goodbye is leaving, too.
        for message in socket { room.tell("\(name): \(message.text ?? "sent something")") }
        room.tell("* \(name) has gone")
    }
    try server.start()
    print("Talk at ws://127.0.0.1:\(server.port)/chat")
    try server.waitUntilStopped()  // Ctrl-C ends the program
}

/// Who is there. Used by one loop.
private final class Room: @unchecked Sendable {
    private var queues: [ObjectIdentifier: Queue<String>] = [:]
    private var count = 0

    func enter(_ socket: WebSocket) -> Int {
        // A slow guest must not hold up the others: each has a queue and a fiber that empties it.
        let queue = Queue<String>(capacity: 1000)
        queues[ObjectIdentifier(socket)] = queue
        spawn {
            do {
                for line in queue { try socket.send(line) }
            } catch {
                // The guest has gone; its handler notices.
            }
        }
        count += 1
        return count
    }

    func leave(_ socket: WebSocket) { queues.removeValue(forKey: ObjectIdentifier(socket))?.shutdown(immediate: true) }

    func tell(_ line: String) {
        for queue in queues.values {
            do {
                try queue.putNoWait(line)
            } catch {
                // Who is a thousand lines behind misses this one.
            }
        }
    }
}

private func joinChat(_ url: String) throws {
    try withHTTPClient { client in
        try client.withWebSocket(url) { socket in
            let listener = spawn { for message in socket { print(message.text ?? "") } }
            // The terminal is read on a thread of its own: the loop goes on meanwhile.
            while let line = try toThread({ readLine() }) { try socket.send(line) }
            try socket.close()
            try listener.join()
        }
    }
}
