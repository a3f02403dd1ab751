import ArgumentParser
import CSwiftlet
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
        let begin = swiftlet_now()
        let pieces = try record(client, before, path)
        let end = swiftlet_now()
        let after = try? target.look(stacks: false)  // of a process that has ended there is nothing to say
        var recording = ChromeTrace(before, begin: begin) { text in fputs(text, file) }
        let isWhole = convert(pieces, into: &recording)
        recording.finish(at: isWhole ? end : nil, after: after)
        let size = ftell(file)
        guard ferror(file) == 0, fclose(file) == 0 else {
            throw Failure(code: EX_IOERR, reason: "cannot write \(path): \(String(cString: strerror(errno)))")
        }
        if recording.eventCount == 0 {
            writeToStandardError(
                "nothing happened meanwhile; `swiftlet dump \(argument.pid)` says where each coroutine stands\n")
        }
        writeToStandardError(
            """
            \(Wording.count(recording.eventCount, "event")), \(Wording.grouped(recording.lostCount)) lost, \
            \(Wording.tenths(size / 100_000)) MB: open \(path) at https://ui.perfetto.dev\n
            """)
    }

    private struct Piece {
        let frame: TraceFrame
        let bytes: [UInt8]
    }

    private func record(_ client: InspectionClient, _ before: Snapshot, _ path: String) throws -> [Piece] {
        var pieces: [Piece] = []
        do {
            try client.ask("trace")
            let answer = try client.nextLine()
            guard answer.starts(with: "recording".utf8) else {
                var reader = WireReader(answer)
                _ = reader.field()
                throw Failure.unavailable("process \(argument.pid): \(Wording.printable(reader.text()))")
            }
            writeToStandardError(
                "recording \(argument.target.title) into \(path); Ctrl-C ends it\n")
            try receive(client, into: &pieces)
        } catch let failure as Failure {
            throw failure
        } catch InspectionClient.Failure.gone {
            writeToStandardError("the process has ended\n")
        }
        // Nothing is recorded any more, while the rest is done.
        client.close()
        return pieces
    }

    /// Keeps what comes. It is put into the file only afterwards: that takes far more of the processor than the recording,
    /// which the process may need meanwhile.
    private func receive(_ client: InspectionClient, into pieces: inout [Piece]) throws {
        let end = duration.map { ContinuousClock.now + $0 }
        var size = 0
        while !EndBySignal.isWanted, end.map({ ContinuousClock.now < $0 }) ?? true {
            guard client.waitForBytes(milliseconds: 50) else { continue }
            guard let frame = TraceFrame(header: try client.nextBytes(TraceFrame.headerSize)) else {
                throw Failure.unavailable(
                    "the process sends what this command does not know: use commands and library of one version")
            }
            pieces.append(Piece(frame: frame, bytes: try client.nextBytes(frame.size)))
            size += frame.size
            guard size < Self.mostBytes else {
                writeToStandardError("that is as much as is kept: the recording ends here\n")
                return
            }
        }
    }

    /// Takes the events into the file, until a signal wants the end. False if that has come.
    private func convert(_ pieces: [Piece], into recording: inout ChromeTrace) -> Bool {
        EndBySignal.forget()
        let events = pieces.reduce(0) { $0 + ($1.frame.kind == .events ? $1.bytes.count : 0) } / Self.eventSize
        if events > 100_000 {
            writeToStandardError("writing \(Wording.count(events, "event")), some while; Ctrl-C leaves the rest out\n")
        }
        for piece in pieces {
            // In small steps: a piece may hold as much as takes a second.
            var rest = piece.bytes[...]
            repeat {
                guard !EndBySignal.isWanted else {
                    let left = Wording.count(events - recording.eventCount, "event")
                    writeToStandardError("the last \(left) are left out\n")
                    return false
                }
                let part = piece.frame.kind == .events ? rest.prefix(Self.eventSize << 12) : rest
                recording.take(piece.frame, Array(part))
                rest = rest.dropFirst(part.count)
            } while !rest.isEmpty
        }
        return true
    }

    private static let eventSize = MemoryLayout<swiftlet_trace_event>.stride

    /// Some ten million events.
    private static let mostBytes = 400 << 20
}
