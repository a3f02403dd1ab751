import ArgumentParser
import CSwiftlet
import Glibc
import HTTPTypes
import Swiftlet
import SwiftletHTTP
import SwiftletInspect

/// Shows a process as a page in a browser of this machine.
struct Web: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show a process as a live page, for a browser on this machine.",
        discussion: """
            The page is served on the loopback interface only, and only to who has its address with the key in it, since \
            other users of the machine reach that interface too.
            """)

    @OptionGroup var argument: TargetArgument

    @Option(parsing: .unconditional, help: "The port to listen on; 0 takes a free one.")
    var port = 0

    func validate() throws {
        if !(0...65535).contains(port) { throw ValidationError("--port must be 0 to 65535") }
    }

    func run() throws {
        let target = argument.target
        _ = try target.look(stacks: false)  // else there is nothing to show
        let process = "process \(target.process) (\(Wording.printable(target.name)))"
        var configuration = HTTPServer.Configuration()
        configuration.host = "127.0.0.1"
        configuration.port = port
        let server = HTTPServer(configuration)
        let key = try Self.makeKey()
        let page = HTTPServerResponse(InspectionPage.html)
            .adding(.cacheControl, "no-store").adding(.contentSecurityPolicy, InspectionPage.policy)
        server.get("/") { request in
            try Self.admit(request, key)
            return page
        }
        server.get("/snapshot") { request in
            try Self.admit(request, key)
            // It waits for a socket that parks nobody.
            let json = try toThread {
                do {
                    return try target.look(stacks: true).json
                } catch let failure as Failure {
                    return JSONText.object([
                        (
                            "error",
                            JSONText.quoted(failure.code == EX_NOINPUT ? "\(process) has ended." : "\(failure.reason).")
                        ),
                        ("process", JSONText.quoted(process)),
                    ])
                }
            }
            return HTTPServerResponse(json, contentType: "application/json")
                .adding(.cacheControl, "no-store")
        }
        try EventLoop.run {
            let signalled = AsyncResult<CInt>()
            for signal in [SIGINT, SIGTERM] { try onSignal(signal) { signalled.trySet(.success(signal)) } }
            try server.start()
            printLine("http://127.0.0.1:\(server.port)/?key=\(key) (Press CTRL+C to quit)")
            let signal = try signalled.get()
            try server.stop(grace: .zero)
            Glibc.exit(128 + signal)
        }
    }

    /// Who knows the key came from the command's output. The host is looked at too: a page of the network whose name leads to
    /// this address must not read ours.
    private static func admit(_ request: HTTPServerRequest, _ key: String) throws {
        let host = request.authority?.split(separator: ":").first.map(String.init) ?? ""
        guard host == "127.0.0.1" || host == "localhost", request.queryValue("key") == key else {
            throw HTTPAbort(.forbidden, "open the address that swiftlet web has printed, with its key")
        }
    }

    private static func makeKey() throws(Failure) -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard getentropy(&bytes, bytes.count) == 0 else { throw .system("the kernel gives no random numbers") }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
