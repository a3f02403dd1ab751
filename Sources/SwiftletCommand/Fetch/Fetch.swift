import ArgumentParser
import CSwiftlet
import Glibc
import HTTPTypes
import Swiftlet
import SwiftletNATS

/// Fetches URLs, many at a time, and writes what came of each as a line of JSON.
struct Fetch: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fetch many URLs at a time; each result is a line of JSON.",
        discussion: """
            Exit code: 0 all fetched, 1 some failed, 2 bad usage, 130 interrupted. An answer such as 404 counts as fetched \
            unless --fail is given.
            """)

    /// What bad usage ends with, of this command alone: 1 and 2 are usual among those that do many things at once.
    static let usageCode: CInt = 2

    @Argument(help: ArgumentHelp("The URLs to fetch.", valueName: "url"))
    var urls: [String] = []

    @Option(help: "A file with further URLs, one a line; - is the standard input.")
    var input: String?

    @Option(name: .shortAndLong, parsing: .unconditional, help: "How many requests at a time.")
    var concurrency = 100

    @Option(parsing: .unconditional, help: "How many requests at a time to one host. (default: no limit of its own)")
    var perHost: Int?

    @Option(
        parsing: .unconditional, help: "How many requests to begin in a second, such as 50 or 0.5. (default: no limit)")
    var rate: Double?

    @Option(
        parsing: .unconditional,
        help: """
            How often to try again after a connection that failed or was reset (idempotent methods), and after the status \
            429, 502, 503 or 504, unless Retry-After asks for more than five minutes.
            """)
    var retries = 2

    @Option(
        parsing: .unconditional,
        help: "How long one try may take, from connecting to the last byte, redirects included. (default: 30s)",
        transform: parseDuration)
    var timeout = Duration.seconds(30)

    @Option(
        name: [.customShort("H"), .customLong("header")], parsing: .unconditionalSingleValue,
        help: "A field to send, as in 'Accept: text/html'. Repeatable.")
    var headers: [String] = []

    @Option(name: [.customShort("X"), .long], help: "The method. (default: GET; POST with --data)")
    var method: String?

    @Option(
        name: .shortAndLong, parsing: .unconditional, help: "A body to send; as a form unless a Content-Type is given.")
    var data: String?

    @Flag(inversion: .prefixedNo, help: "Follow redirects.")
    var follow = true

    @Option(help: ArgumentHelp("A directory to save the bodies in.", valueName: "dir"))
    var save: String?

    @Option(name: .shortAndLong, help: "Where the results go. (default: standard output)")
    var output: String?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: "How many worker processes make the requests. (default: none; this one makes them)")
    var processes: Int?

    @Option(
        help: ArgumentHelp(
            "Have the requests made by whoever runs 'swiftlet worker' for these servers, with commas between them.",
            valueName: "servers"))
    var nats: String?

    @Option(help: "The queue of the workers.")
    var queue = "fetch"

    @Flag(help: "Count statuses from 400 on as failures.")
    var fail = false

    @Flag(help: "Go on with an interrupted run: fetch what --output does not have yet.")
    var resume = false

    @Flag(name: .shortAndLong, help: "No progress and no summary.")
    var quiet = false

    func validate() throws {
        if urls.isEmpty, input == nil { throw ValidationError("give URLs to fetch, or --input FILE") }
        if !(1...1 << 20).contains(concurrency) { throw ValidationError("--concurrency must be 1 to \(1 << 20)") }
        if let perHost, perHost < 1 { throw ValidationError("--per-host must be at least 1") }
        if let rate, !(1e-6...1e9).contains(rate) { throw ValidationError("--rate must be 0.000001 to 1000000000") }
        if let processes, !(1...1024).contains(processes) { throw ValidationError("--processes must be 1 to 1024") }
        if processes != nil, nats != nil { throw ValidationError("--processes and --nats exclude each other") }
        if retries < 0 { throw ValidationError("--retries must be at least 0") }
        if timeout <= .zero { throw ValidationError("--timeout must be above 0") }
        if resume, output == nil { throw ValidationError("--resume needs --output: the file of the interrupted run") }
        _ = try pattern()
    }

    /// What all requests have in common.
    private func pattern() throws -> FetchPattern {
        var fields = HTTPFields()
        for header in headers {
            let parts = header.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else {
                throw ValidationError("--header '\(header)' is no field: it takes a name, a colon and a value")
            }
            let field = HTTPField(name: name, value: String(parts[1].drop { $0 == " " || $0 == "\t" }))
            // A value with control characters would come out changed.
            guard header.unicodeScalars.allSatisfy({ $0.value >= 32 || $0 == "\t" }) else {
                throw ValidationError("--header '\(header)' has control characters")
            }
            // The client would refuse each request for it.
            if name.canonicalName == "host" {
                throw ValidationError("--header '\(header)' cannot be set: the URL decides about Host")
            }
            fields.append(field)
        }
        guard let method = HTTPRequest.Method(rawValue: method ?? (data == nil ? "GET" : "POST")) else {
            throw ValidationError("--method '\(method ?? "")' is no method")
        }
        if method == .connect { throw ValidationError("--method CONNECT makes tunnels, and fetches nothing") }
        if data != nil, fields[.contentType] == nil { fields[.contentType] = "application/x-www-form-urlencoded" }
        return FetchPattern(
            method: method, fields: fields, body: data.map { Array($0.utf8) }, followsRedirects: follow,
            failsForStatus: fail, timeout: timeout)
    }

    private func isSameFile(_ first: String, _ second: String) -> Bool {
        var (one, other) = (stat(), stat())
        return stat(first, &one) == 0 && stat(second, &other) == 0 && one.st_ino == other.st_ino
            && one.st_dev == other.st_dev
    }

    func run() throws {
        let needed = concurrency + 64
        let limit = Int(clamping: swiftlet_raise_descriptor_limit())
        if needed > limit {
            throw Failure.usage(
                "--concurrency \(concurrency) needs \(needed) descriptors, and the limit is \(limit): see ulimit -n"
            )
        }
        if let input, let output, input != "-", isSameFile(input, output) {
            throw Failure.usage("--output \(output) is the file that --input reads")
        }
        let finished = resume ? try FetchedBefore(mending: output!) : nil
        let save = try save.map { try SaveDirectory($0) }
        if resume { try save?.removeLeftovers() }
        let run = FetchRun(
            pattern: try pattern(), input: try FetchInput(urls: urls, path: input),
            output: try FetchOutput(path: output, appends: resume, hasProgress: !quiet), save: save,
            finished: finished)
        run.concurrency = concurrency
        run.perHost = perHost
        run.interval = rate.map { .seconds(1 / $0) }
        run.retries = retries
        run.isQuiet = quiet
        if let processes { run.workers = .processes(processes) }
        if let nats {
            var configuration = NATSConfiguration(nats)
            configuration.queue = queue
            configuration.outstandingLimit = concurrency
            run.workers = .queue(configuration)
        }
        let code = try EventLoop.run { try run.run() }
        if code != 0 { throw ExitCode(code) }
    }
}

/// What all requests of a run have in common.
struct FetchPattern {
    let method: HTTPRequest.Method
    let fields: HTTPFields
    let body: [UInt8]?
    let followsRedirects: Bool
    /// A status from 400 on is a failure.
    let failsForStatus: Bool
    /// For one try.
    let timeout: Duration

    /// Doing it twice is the same as doing it once (RFC 9110, 9.2.2).
    var isIdempotent: Bool { [.get, .head, .put, .delete, .options, .trace].contains(method) }
}
