import ArgumentParser
import Glibc
import SwiftletInspect

/// Records what happens on a process's loops.
struct Trace: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Record what runs and waits in a process, for Perfetto or Chrome's trace viewer.",
        discussion: "Open the file at https://ui.perfetto.dev or in chrome://tracing. Ctrl-C ends the recording.")

    @OptionGroup var argument: TargetArgument

    @Option(name: .shortAndLong, help: "The file to write. (default: swiftlet-PID.trace.json)")
    var output: String?

    @Option(help: "How long to record, such as 5s. (default: until Ctrl-C)", transform: parseDuration)
    var duration: Duration?

    func run() throws {
        let target = argument.target
        let client = try target.connect()
        let before = try target.look(client, stacks: false)
        let path = output ?? "swiftlet-\(argument.pid).trace.json"
        guard let file = fopen(path, "w") else {
            throw Failure(code: EX_CANTCREAT, reason: "cannot write \(path): \(String(cString: strerror(errno)))")
        }
        let previous = EndBySignal.install()
        defer { EndBySignal.restore(previous) }
        var recording = ChromeTrace(before) { text in fputs(text, file) }
        do {
            try client.ask("trace")
            let answer = try client.nextLine()
            guard answer.starts(with: "recording".utf8) else {
                var reader = WireReader(answer)
                _ = reader.field()
                throw Failure.unavailable("process \(argument.pid): \(reader.text())")
            }
            writeToStandardError(
                "recording process \(argument.pid) (\(before.process.name)) into \(path); Ctrl-C ends it\n")
            try receive(client, into: &recording)
        } catch let failure as Failure {
            throw failure
        } catch InspectionClient.Failure.gone {
            writeToStandardError("the process has ended\n")
        }
        recording.finish()
        guard fclose(file) == 0 else {
            throw Failure(code: EX_IOERR, reason: "cannot write \(path): \(String(cString: strerror(errno)))")
        }
        writeToStandardError(
            "\(Wording.count(recording.eventCount, "event")), \(Wording.grouped(recording.lostCount)) lost: open \(path) at https://ui.perfetto.dev\n"
        )
    }

    private func receive(_ client: InspectionClient, into recording: inout ChromeTrace) throws {
        let end = duration.map { ContinuousClock.now + $0 }
        while !EndBySignal.isWanted, end.map({ ContinuousClock.now < $0 }) ?? true {
            guard client.waitForBytes(milliseconds: 50) else { continue }
            guard let frame = TraceFrame(header: try client.nextBytes(TraceFrame.headerSize)) else {
                throw Failure.unavailable(
                    "the process sends what this command does not know: use commands and library of one version")
            }
            recording.take(frame, try client.nextBytes(frame.size))
        }
    }
}
