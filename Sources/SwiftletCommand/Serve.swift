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

    @Option(parsing: .unconditional, help: "The port to listen on; 0 takes a free one.")
    var port = 5000

    @Option(
        parsing: .unconditional, help: "How long each answer takes, such as 3s or 500ms. (default: 3s)",
        transform: parseDuration)
    var delay = Duration.seconds(3)

    @Flag(help: .hidden)
    var child = false

    func validate() throws {
        if !(0...65535).contains(port) { throw ValidationError("--port must be 0 to 65535") }
    }

    func run() throws {
        if child { quitWithParent() }
        swiftlet_raise_descriptor_limit()
        var configuration = HTTPServer.Configuration()
        configuration.host = host
        configuration.port = port
        let server = HTTPServer(configuration)
        server.get("/") { [delay] _ in
            try sleep(delay)
            return "Hello!"
        }
        try EventLoop.run {
            try server.start()
            let host = host.contains(":") ? "[\(host)]" : host
            printLine("Running on http://\(host):\(server.port)/ (Press CTRL+C to quit)")
            try EventLoop.current.runForever()
        }
    }
}
