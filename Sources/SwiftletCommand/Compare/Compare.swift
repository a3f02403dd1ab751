import ArgumentParser
import CSwiftlet
import Glibc
import SwiftletHTTP

/// The tutorial's experiment: many requests to a slow server, made in several ways.
struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make many requests to a slow server in several ways, and show what each way needs.",
        discussion: """
            Starts a slow server of its own, and runs each mode in a process of its own, so that CPU time and peak \
            memory are that mode's. The serial mode makes a few requests only; its times are scaled.
            """)

    @Option(parsing: .unconditional, help: "How many requests each mode makes.")
    var requests = 100

    @Option(
        parsing: .unconditional, help: "How long the server takes for an answer, such as 3s or 500ms. (default: 3s)",
        transform: parseDuration)
    var delay = Duration.seconds(3)

    @Option(
        help: "The modes to run, separated by commas. (default: all)",
        transform: Mode.parseList)
    var only = Mode.allCases

    @Option(help: "Ask this server instead of one started for the purpose.")
    var url: String?

    @Flag(help: "Print one JSON object a mode instead of a table.")
    var json = false

    func validate() throws {
        if requests < 1 { throw ValidationError("--requests must be at least 1") }
        guard let url else { return }
        do {
            _ = try HTTPURL(url)
        } catch {
            throw ValidationError("--url '\(url)' is no URL: \(error.message)")
        }
    }

    func run() throws {
        try makeRoomForDescriptors()
        let server = try url == nil ? SlowServer(delay: delay) : nil
        defer { server?.end() }
        let url = url ?? server!.url

        let progress = Progress()
        var rows: [Measurement] = []
        for (number, mode) in only.enumerated() {
            progress.show("\(number + 1)/\(only.count) \(mode.rawValue): \(mode.about) ...")
            defer { progress.clear() }
            rows.append(try measure(mode, url))
            if json { printLine(rows.last!.json) }
        }
        if json { return }
        print("\(requests) requests to a server that takes \(delay.inSeconds.formatted) s for an answer\n")
        print(Table(measurements: rows))
        print("\n\(BarChart(measurements: rows, usesBlocks: isatty(STDOUT_FILENO) == 1))")
    }

    /// Every request at once has a connection, in the client and in the server; both inherit this process's limit.
    private func makeRoomForDescriptors() throws(Failure) {
        let spare = 64
        let limit = swiftlet_raise_descriptor_limit()
        guard requests + spare <= limit else {
            throw .system(
                "\(requests) requests at once need \(requests + spare) descriptors, and the limit is \(limit): "
                    + "ask for fewer, or raise it (ulimit -Hn)")
        }
    }

    private func measure(_ mode: Mode, _ url: String) throws -> Measurement {
        let child = try ChildProcess(
            arguments: [MeasureMode._commandName, mode.rawValue, "--url", url, "--requests", "\(requests)"])
        let outcome = child.readLine().flatMap(MeasureMode.Outcome.init)
        let usage = child.wait()
        guard usage.exitCode == 0, let outcome else {
            // It has said itself why; only a crash leaves nothing to read.
            throw usage.exitCode == 0 || usage.exitCode > 128
                ? Failure(code: EX_SOFTWARE, reason: "the process that measured \(mode.rawValue) crashed")
                : ExitCode(usage.exitCode)
        }
        let factor = Double(requests) / Double(outcome.requests)
        return Measurement(
            mode: mode, requests: requests, delay: delay, wallSeconds: outcome.wallSeconds * factor,
            // What starting the process cost is not scaled.
            processorSeconds: usage.processorSeconds + outcome.processorSeconds * (factor - 1),
            peakResidentBytes: usage.peakResidentBytes, requestsMade: outcome.requests)
    }
}

/// Prints at once, for a reader at the other end of a pipe.
func printLine(_ line: String) {
    print(line)
    fflush(nil)
}
