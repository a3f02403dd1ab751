import ArgumentParser
import SwiftletNATS
import SwiftletPool

/// Does the jobs of this command for whoever asks over NATS: `swiftlet fetch --nats`.
struct WorkQueue: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Make requests for 'swiftlet fetch --nats' until SIGTERM.",
        discussion: """
            As many may run as one likes, on as many machines. At SIGTERM or Ctrl-C a worker finishes what it is at. A program \
            with jobs of its own becomes a worker by NATSWorker.run(...).
            """)

    @Option(help: ArgumentHelp("The servers, with commas between them.", valueName: "servers"))
    var nats: String

    @Option(help: "The queue.")
    var queue = "fetch"

    @Option(name: .shortAndLong, parsing: .unconditional, help: "How many jobs at a time.")
    var concurrency = 100

    @Option(help: ArgumentHelp("A file with the credentials.", valueName: "file"))
    var credentials: String?

    func validate() throws {
        if !(1...1 << 16).contains(concurrency) { throw ValidationError("--concurrency must be 1 to \(1 << 16)") }
    }

    func run() throws {
        var configuration = NATSConfiguration(nats)
        configuration.queue = queue
        if let credentials { configuration.credentials = .file(credentials) }
        do {
            try NATSWorker.run(
                FetchJob.self, from: configuration, concurrency: concurrency,
                onReady: { writeToStandardError("swiftlet: ready\n") })
        } catch let error as NATSError {
            throw Failure(error)
        }
    }
}
