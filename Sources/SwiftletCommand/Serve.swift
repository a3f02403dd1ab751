import ArgumentParser
import CSwiftlet
import Swiftlet
import SwiftletHTTP

/// The tutorial's slow server.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a slow server: it answers GET / with Hello! after a delay.")

    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"

    @Option(help: "The port to listen on; 0 takes a free one.")
    var port = 5000

    @Option(help: "How long each answer takes, such as 3s or 500ms. (default: 3s)", transform: parseDuration)
    var delay = Duration.seconds(3)

    @Flag(help: .hidden)
    var child = false

    func validate() throws {
        if !(0...65535).contains(port) { throw ValidationError("--port must be 0 to 65535") }
    }

    func run() throws {
        if child { quitWithParent() }
        swiftlet_raise_descriptor_limit()
        try EventLoop.run {
            let listener = try TCPListener(host: host, port: port)
            printLine("Running on http://\(listener.localAddress)/ (Press CTRL+C to quit)")
            try listener.serve { connection in
                _ = try connection.read(upTo: 4096)
                try sleep(delay)
                try connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nHello!")
            }
        }
    }
}
