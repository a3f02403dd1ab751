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
        // Ctrl-C must give the terminal back, too.
        let previous = EndBySignal.install()
        defer {
            terminal.restore()
            EndBySignal.restore(previous)
        }
        try watch(target, client, terminal)
    }

    private var milliseconds: Int { Int(interval / .milliseconds(1)) }

    private func printLines(_ target: Target, _ client: InspectionClient) throws {
        var left = count ?? .max
        while left > 0 {
            var screen = TopScreen()
            screen.snapshot = try target.look(client, stacks: false, profile: milliseconds, times: true)
            printLine(screen.snapshot.summary)
            for loop in screen.snapshot.loops { printLine("  \(screen.snapshot.summary(loop))") }
            for line in screen.snapshot.describeFindings(backtraces: false) { printLine(line) }
            printLine("  \(TopScreen.header(isNarrow: false))")
            for coroutine in screen.shown.prefix(20) { printLine("  \(screen.row(coroutine, isNarrow: false))") }
            left -= 1
        }
    }

    private func watch(_ target: Target, _ client: InspectionClient, _ terminal: Terminal) throws {
        var screen = TopScreen()
        var left = count ?? .max
        var isAsking = false
        while !screen.wantsToQuit, !EndBySignal.isWanted, left > 0 {
            if !isAsking, !screen.isPaused {
                // The looks at what runs take as long as the view stands.
                try ask(target, client, "look \(screen.detail == nil ? 0 : 1) \(milliseconds) 1")
                isAsking = true
            }
            var wanted = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isAsking ? client.descriptor : -1, events: Int16(POLLIN), revents: 0),
            ]
            if poll(&wanted, 2, 1000) < 0, errno != EINTR { return }
            if wanted[0].revents != 0 { for key in terminal.readKeys() { screen.press(key) } }
            if wanted[1].revents != 0 {
                do {
                    screen.snapshot = try client.readSnapshot()
                } catch {
                    throw target.explain(error)
                }
                isAsking = false
                left -= 1
            }
            let size = terminal.size
            let (lines, marked) = screen.lines(columns: size.columns, rows: size.rows)
            terminal.show(lines, marked: marked)
        }
    }

    private func ask(_ target: Target, _ client: InspectionClient, _ request: String) throws {
        do {
            try client.ask(request)
        } catch {
            throw target.explain(error)
        }
    }
}
