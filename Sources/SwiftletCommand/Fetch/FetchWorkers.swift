import HTTPTypes
import Swiftlet
import SwiftletHTTP
import SwiftletNATS
import SwiftletPool

/// Who makes the requests of a `fetch`, if it is not the program itself.
enum FetchWorkers {
    case none
    /// So many processes on this machine.
    case processes(Int)
    /// Whoever runs `swiftlet worker` for that queue.
    case queue(NATSConfiguration)

    /// - Returns: `nil` if there are no workers.
    /// - Throws: `Failure` if they cannot be reached; `PoolError`.
    func makePool(concurrency: Int) throws -> FetchPool? {
        switch self {
        case .none: return nil
        case .processes(let count):
            let pool = try ProcessPool(
                processes: count, childConcurrency: (concurrency + count - 1) / count, responseLimit: .seconds(10))
            return FetchPool(pool)
        case .queue(let configuration):
            do {
                let pool = try NATSPool(configuration)
                try pool.waitUntilReady()
                return FetchPool(pool)
            } catch let error as NATSError {
                throw Failure(error)
            }
        }
    }
}

extension Failure {
    /// Servers that are away are no mistake of the command's; to ask for what was not built is.
    init(_ error: NATSError) {
        switch error {
        case .notBuilt, .invalidOption: self = .usage("--nats: \(error)")
        default: self = .unavailable("\(error)")
        }
    }
}

/// The workers of a run.
struct FetchPool {
    private let pool: any ClosablePool

    init(_ pool: any ClosablePool) { self.pool = pool }

    /// Has a worker make one try; the body is saved here.
    ///
    /// Cancellation: ends the try; it throws.
    /// - Throws: `CancellationError`; `Failure` when the body cannot be saved, or there are no workers to be had.
    func perform(_ url: HTTPURL, _ pattern: FetchPattern, _ save: SaveDirectory?, isLast: Bool) throws
        -> FetchAttempt.End
    {
        var end: FetchAttempt.End
        do {
            end = try pool.apply(FetchJob(url, pattern, isLast: isLast, keepsBody: save != nil))
        } catch let error as CancellationError {
            throw error
        } catch PoolError.workerDied(_, let exit, _) {
            return .init(
                outcome: .error(.worker, "the worker \(exit)"), isRetryable: pattern.isIdempotent && !isLast)
        } catch let error as NATSError {
            guard case .tooLarge = error else { throw Failure(error) }
            return .init(outcome: .error(.worker, "\(error)"))
        } catch PoolError.cannotStart(let reason) {
            throw Failure.system("no worker can be started: \(reason)")
        } catch {
            return .init(outcome: .error(.worker, "\(error)"))
        }
        if let save, let body = end.body.take(), case .answer(var answer) = end.outcome {
            let file = try save.begin(url)
            defer { file.close() }
            try file.append(body)
            answer.file = try file.finish()
            end.outcome = .answer(answer)
        }
        return end
    }

    func end() {
        pool.terminate()
        // Interrupted while it waits: the process ends, and the workers with it.
        try? pool.join()
    }
}

/// One try, in a worker.
struct FetchJob: PoolJob {
    let url: String
    let method: String
    let fields: [[String]]
    let body: [UInt8]?
    let followsRedirects: Bool
    let failsForStatus: Bool
    let timeout: Duration
    let isLast: Bool
    let keepsBody: Bool

    static var jobName: String { "swiftlet.fetch" }

    init(_ url: HTTPURL, _ pattern: FetchPattern, isLast: Bool, keepsBody: Bool) {
        self.url = url.description
        method = pattern.method.rawValue
        fields = pattern.fields.map { [$0.name.rawName, $0.value] }
        body = pattern.body
        followsRedirects = pattern.followsRedirects
        failsForStatus = pattern.failsForStatus
        timeout = pattern.timeout
        self.isLast = isLast
        self.keepsBody = keepsBody
    }

    /// One for all jobs of a worker: connections are used again.
    private struct Client: Sendable { let client: HTTPClient }

    func run() throws -> FetchAttempt.End {
        if WorkerProcess.kept(Client.self) == nil {
            WorkerProcess.keep(Client(client: .forFetching(connections: 1 << 16)))
        }
        var fields = HTTPFields()
        for field in self.fields {
            guard field.count == 2, let name = HTTPField.Name(field[0]) else { continue }
            fields.append(HTTPField(name: name, value: field[1]))
        }
        let pattern = FetchPattern(
            method: HTTPRequest.Method(rawValue: method) ?? .get, fields: fields, body: body,
            followsRedirects: followsRedirects, failsForStatus: failsForStatus, timeout: timeout)
        let client = WorkerProcess.kept(Client.self)!.client
        return try FetchAttempt(client: client, pattern: pattern, save: nil, isLast: isLast, keepsBody: keepsBody)
            .perform(try HTTPURL(url))
    }
}

extension HTTPClient {
    /// Asks for each URL as if it were the only one, with one deadline for all of a try.
    static func forFetching(connections: Int) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.connectionLimit = connections
        configuration.cookies = .none
        configuration.timeout = nil
        configuration.connectTimeout = nil
        configuration.readTimeout = nil
        return HTTPClient(configuration)
    }
}
