import Glibc
import Swiftlet
import SwiftletHTTP

// A WebSocket peer for other implementations' suites (Tests/Interop/autobahn):
//
//     WebSocketProgram serve PORT        echoes; prints its port
//     WebSocketProgram probe URL         talks to a server that echoes; fails if something comes back changed
//     WebSocketProgram client URL        runs all cases of the fuzzing server of Autobahn at ws://HOST:PORT

let configuration = {
    var configuration = WebSocket.Configuration()
    configuration.messageLimit = 64 << 20
    return configuration
}()

func echo(_ socket: WebSocket) throws {
    while let message = try socket.receive() { try socket.send(message) }
}

func serve(port: Int) throws {
    var settings = HTTPServer.Configuration()
    settings.port = port
    let server = HTTPServer(settings)
    server.webSocket("/", configuration: configuration) { socket in try echo(socket) }
    spawn {
        // Both happen on this loop: it listens when this runs.
        print("listening on \(server.port)")
        fflush(nil)
    }
    try server.run()
}

func runCases(of url: String) throws {
    try withHTTPClient { client in
        let count = try client.withWebSocket("\(url)/getCaseCount", configuration: configuration) { socket in
            Int(try socket.receive()?.text ?? "") ?? 0
        }
        print("\(count) cases")
        for number in 1...max(count, 1) {
            do {
                try client.withWebSocket(
                    "\(url)/runCase?case=\(number)&agent=Swiftlet", configuration: configuration
                ) { try echo($0) }
            } catch {
                // Many cases break the rules on purpose; the suite judges.
                print("case \(number): \(error)")
            }
        }
        try client.withWebSocket("\(url)/updateReports?agent=Swiftlet", configuration: configuration) { socket in
            _ = try socket.receive()
        }
    }
}

func probe(_ url: String) throws {
    var messages: [WebSocket.Message] = [.text(""), .text("hello"), .text(String(repeating: "Grüße €😀", count: 5000))]
    messages += [.binary([]), .binary([UInt8](repeating: 7, count: 1_000_000))]
    try withHTTPClient { client in
        try client.withWebSocket(url, configuration: configuration) { socket in
            for message in messages {
                try socket.send(message)
                guard try socket.receive() == message else { exit(1) }
            }
            try socket.sendMessage(.text) { part in
                for piece in ["in ", "three ", "parts"] { try part.send(piece) }
            }
            guard try socket.receive() == .text("in three parts") else { exit(1) }
        }
    }
}

do {
    let last = CommandLine.arguments.last ?? ""
    switch CommandLine.arguments.dropFirst().first {
    case "serve": try EventLoop.run { try serve(port: Int(last) ?? 0) }
    case "probe": try EventLoop.run { try probe(last) }
    case "client": try EventLoop.run { try runCases(of: last) }
    default:
        print("usage: WebSocketProgram serve PORT | probe URL | client URL")
        exit(2)
    }
} catch {
    print("failed: \(error)")
    exit(1)
}
