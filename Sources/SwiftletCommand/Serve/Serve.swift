import ArgumentParser
import CSwiftlet
import Glibc
import Swiftlet
import SwiftletHTTP

/// The tutorial's slow server, and a server of files.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a slow server, which answers GET / with Hello! after a delay, or serve the files of a directory."
    )

    @Argument(help: "A directory whose files are served.", completion: .directory)
    var directory: String?

    @Option(help: "The address to listen on.")
    var host = "127.0.0.1"

    @Option(parsing: .unconditional, help: "The port to listen on; 0 takes a free one.")
    var port = 5000

    @Option(help: "Listen at this path instead, by a Unix socket; the file is removed at the end.", completion: .file())
    var unix: String?

    @OptionGroup(title: "How slow and how bad it is")
    var answer: SlowAnswer

    @Flag(
        inversion: .prefixedNo,
        help: "Handle requests side by side, or one at a time, as Flask does with threaded=False.")
    var threaded = true

    @Flag(help: "Print a line for each request on standard error, in the Common Log Format.")
    var accessLog = false

    #if TLS
        @Option(name: .customLong("tls-cert"), help: "Speak https with this certificate, a PEM file.")
        var certificateFile: String?

        @Option(name: .customLong("tls-key"), help: "The certificate's key, a PEM file. (default: the same file)")
        var privateKeyFile: String?
    #endif

    @OptionGroup(title: "What clients may")
    var limits: ServeLimits

    @Flag(help: .hidden)
    var child = false

    func validate() throws {
        if !(0...65535).contains(port) { throw ValidationError("--port must be 0 to 65535") }
        #if TLS
            if privateKeyFile != nil, certificateFile == nil { throw ValidationError("--tls-key needs --tls-cert") }
        #endif
        if let directory {
            if answer.bodySize != nil || answer.slowBody > .zero {
                throw ValidationError("--body-size and --slow-body are for the slow server: files are as they are")
            }
            var information = stat()
            guard stat(directory, &information) == 0, information.st_mode & S_IFMT == S_IFDIR else {
                throw ValidationError("'\(directory)' is no directory")
            }
        }
    }

    func run() throws {
        if child { quitWithParent() }
        swiftlet_raise_descriptor_limit()
        var configuration = HTTPServer.Configuration()
        configuration.host = host
        configuration.port = port
        configuration.unixSocket = unix
        configuration.requestLimit = threaded ? nil : 1
        limits.apply(to: &configuration)
        if accessLog { configuration.accessLog = { writeToStandardError($0.commonLogLine + "\n") } }
        #if TLS
            if let certificateFile {
                do {
                    let tls = try TLSServerConfiguration(
                        certificateFile: certificateFile, privateKeyFile: privateKeyFile ?? certificateFile)
                    try tls.prepare()
                    configuration.tls = tls
                } catch let error as TLSError {
                    throw Failure.usage("--tls-cert, --tls-key: \(error)")
                }
            }
            let scheme = certificateFile == nil ? "http" : "https"
        #else
            let scheme = "http"
        #endif
        let server = HTTPServer(configuration)
        if let directory {
            answer.slowDown(server, defaultDelay: .zero)
            var options = HTTPFileOptions()
            options.listsDirectories = true
            server.files("/", from: directory, options: options)
        } else {
            answer.slowDown(server, defaultDelay: .seconds(3))
            let response = answer.response
            server.get("/") { _ in response }
        }
        try EventLoop.run { try serve(server, scheme) }
    }

    private func serve(_ server: HTTPServer, _ scheme: String) throws {
        let signalled = AsyncResult<CInt>()
        for signal in [SIGINT, SIGTERM] { try onSignal(signal) { signalled.trySet(.success(signal)) } }
        try server.start()
        let host = host.contains(":") ? "[\(host)]" : host
        let place = unix.map { "unix:\($0)" } ?? "\(scheme)://\(host):\(server.port)/"
        printLine("Running on \(place) (Press CTRL+C to quit)")
        let signal = try signalled.get()
        try server.stop(grace: .zero)
        Glibc.exit(128 + signal)
    }
}
