import ArgumentParser
import Glibc
import Swiftlet
import SwiftletHTTP
import SwiftletPool

@main
struct Swiftlet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract:
            "Coroutines for Swift: a slow server, a fetcher, the comparison that shows what they are good for, and looks into running programs.",
        version: "0.1.0-dev",
        subcommands: [
            Serve.self, Fetch.self, WorkQueue.self, Compare.self, Run.self, Ps.self, Tree.self, Dump.self, Top.self,
            Trace.self,
            Web.self,
            MeasureMode.self,
        ])

    static func main() {
        // A loop's descriptor must not take the number of a closed standard stream.
        for number in 0...2 where fcntl(CInt(number), F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
        WorkerProcess.runIfWorker(BlockingGet.self, TaskGet.self, FetchJob.self)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            complain(failure.reason)
            Glibc.exit(told(failure.code))
        } catch let error
            where error is SocketError || error is ResolverError || error is HTTPClientError || error is WorkerFailure
        {
            complain("\(error)")
            Glibc.exit(EX_UNAVAILABLE)
        } catch let code as ExitCode {
            Glibc.exit(code.rawValue)  // whoever threw it has said why
        } catch {
            let code = exitCode(for: error)
            if code.isSuccess { exit(withError: error) }  // --help and the like
            let reason = message(for: error)
            let arguments = Array(CommandLine.arguments.dropFirst())
            let unknown = code == .validationFailure ? unknownOption(in: arguments) : nil
            let command = code == .validationFailure ? unknownCommand(in: arguments) : nil
            complain(command ?? unknown.flatMap { reason.contains($0) ? nil : "Unknown option '\($0)'" } ?? reason)
            Glibc.exit(told(code.rawValue))
        }
    }

    /// Bad usage is EX_USAGE inside the program, whatever the command promises.
    private static func told(_ code: CInt) -> CInt {
        code == EX_USAGE && CommandLine.arguments.dropFirst().first == "fetch" ? Fetch.usageCode : code
    }

    private static func complain(_ reason: String) { writeToStandardError("swiftlet: \(reason)\n") }
}

/// What ends the program: one clear line, and an exit code of sysexits.h.
struct Failure: Error {
    let code: CInt
    let reason: String

    /// What was asked for makes no sense, or cannot be had with these arguments.
    static func usage(_ reason: String) -> Failure { Failure(code: EX_USAGE, reason: reason) }

    /// A port, a server or another thing that is needed is not there.
    static func unavailable(_ reason: String) -> Failure { Failure(code: EX_UNAVAILABLE, reason: reason) }

    /// The operating system's limits are in the way.
    static func system(_ reason: String) -> Failure { Failure(code: EX_OSERR, reason: reason) }
}

func writeToStandardError(_ text: String) {
    // Nothing can be done, nor told, if even this fails.
    _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}
