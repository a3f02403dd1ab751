import ArgumentParser
import Glibc
import SwiftletInspect

/// A live view of a process.
struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the coroutines of a process: who computes, who waits for what, since when.",
        discussion: "Without a terminal, or on a dumb one, it prints plain lines.")

    @OptionGroup var argument: TargetArgument

    @Option(help: "How often to look, such as 500ms.", transform: parseDuration)
    var interval = Duration.seconds(1)

    @Option(name: .shortAndLong, help: "End after so many looks.")
    var count: Int?

    @Flag(help: "Print plain lines, also on a terminal.")
    var plain = false

    func validate() throws {
        if interval < .milliseconds(100) || interval > .seconds(60) {
            throw ValidationError("--interval must be 100ms to 60s")
        }
        if let count, count < 1 { throw ValidationError("--count must be at least 1") }
    }

    func run() throws {
        let target = argument.target
        let client = try target.connect()
        guard !plain, let terminal = Terminal() else { return try printLines(target, client) }
        // Ctrl-C must give the terminal back, too, and Ctrl-Z while it lasts.
        let previous = EndBySignal.install()
        StopBySignal.install()
        defer {
            terminal.restore()
            StopBySignal.restore()
            EndBySignal.restore(previous)
        }
        try watch(target, client, terminal)
    }

    private var milliseconds: Int { Int(interval / .milliseconds(1)) }

    private func printLines(_ target: Target, _ client: InspectionClient) throws {
        // Where no terminal shows them, lines are as long as they are.
        let width = Terminal.size?.columns
        let table = TopTable(width: width, order: .processor)
        var screen = TopScreen(process: "")
        for round in 0..<(count ?? .max) {
            let snapshot = try target.look(client, stacks: false, profile: milliseconds, times: true)
            screen.take(snapshot, hasBacktraces: false)
            if round > 0 { printLine("") }
            var lines = ["\(snapshot.summary); at \(Self.timeOfDay)"]
            lines += snapshot.loops.map { "  \(snapshot.summary($0))" }
            lines += snapshot.describeFindings(backtraces: false)
            if let width { lines = lines.flatMap { Wording.wrapped($0, to: width) } }
            lines += ([table.header] + screen.shown.prefix(20).map { table.row($0, in: snapshot) }).map { line in
                width.map { Wording.cut(line, to: $0) } ?? line
            }
            for line in lines { printLine(line) }
        }
    }

    private static var timeOfDay: String {
        var (now, parts) = (time(nil), tm())
        localtime_r(&now, &parts)
        return [parts.tm_hour, parts.tm_min, parts.tm_sec].map { ($0 < 10 ? "0" : "") + "\($0)" }.joined(separator: ":")
    }

    private func watch(_ target: Target, _ client: InspectionClient, _ terminal: Terminal) throws {
        var screen = TopScreen(process: "process \(target.process) (\(Wording.printable(target.name)))")
        var left = count ?? .max
        var all = Asking(client: client)
        // A look at what runs takes as long as the view stands: a backtrace that somebody wants to see now has its own connection.
        var one = Asking(client: nil)
        while !screen.wantsToQuit, !EndBySignal.isWanted, left > 0 {
            if StopBySignal.isWanted {
                terminal.restore()
                StopBySignal.stop()
                // An answer that nobody took has been given up meanwhile.
                (all, one) = (Asking(client: try target.connect()), Asking(client: nil))
            }
            if StopBySignal.hasContinued() { terminal.enter() }
            if !screen.isPaused || screen.snapshot == nil {
                // The first one comes at once.
                try all.ask(target, milliseconds: screen.snapshot == nil ? 0 : milliseconds, stacks: screen.look != nil)
            }
            if screen.lacksBacktrace { try one.ask(target, milliseconds: 0, stacks: true) }
            let size = terminal.size
            let (lines, marked) = screen.lines(columns: size.columns, rows: size.rows)
            terminal.show(lines, marked: marked)
            var wanted = [STDIN_FILENO, all.descriptor, one.descriptor].map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            if poll(&wanted, 3, 1000) < 0 {
                if errno == EINTR { continue }
                return
            }
            if wanted[0].revents != 0 { for key in terminal.readKeys() { screen.press(key) } }
            if wanted[1].revents != 0 {
                screen.take(try all.answer(target), hasBacktraces: all.hasBacktraces)
                left -= 1
            }
            if wanted[2].revents != 0 { screen.showBacktrace(of: try one.answer(target)) }
        }
    }

    /// A connection with at most one question under way.
    private struct Asking {
        /// Connected at the first question, if not before.
        var client: InspectionClient?
        private(set) var hasBacktraces = false
        private var isUnderWay = false

        init(client: InspectionClient?) { self.client = client }

        /// What to wait for; -1 for nothing.
        var descriptor: CInt { isUnderWay ? client?.descriptor ?? -1 : -1 }

        mutating func ask(_ target: Target, milliseconds: Int, stacks: Bool) throws {
            guard !isUnderWay else { return }
            let client = try client ?? target.connect()
            self.client = client
            do {
                try client.ask("look \(stacks ? 1 : 0) \(milliseconds) 1")
            } catch {
                throw target.explain(error)
            }
            (hasBacktraces, isUnderWay) = (stacks, true)
        }

        mutating func answer(_ target: Target) throws -> Snapshot {
            isUnderWay = false
            do {
                guard let snapshot = try client?.readSnapshot() else { throw InspectionClient.Failure.gone }
                if !snapshot.process.refusal.isEmpty { throw Failure.unavailable(snapshot.process.refusal) }
                return snapshot
            } catch let failure as Failure {
                throw failure
            } catch {
                throw target.explain(error)
            }
        }
    }
}
