@preconcurrency import Glibc  // for `stdout`

/// The examples of the tutorial, one a file. `swift run SwiftletExamples e04` runs one.
@main
enum Examples {
    static var all: [(name: String, about: String, run: () throws -> Void)] {
        [
            ("e01", "two plain loops, one after the other", serialLoops),
            ("e02", "one loop that resumes a generator on every turn", generatorSwitches),
            ("e03", "a generator does not notice that its caller blocks", generatorAndBlocking),
            ("e04", "greenlets: switching by name", greenlets),
            ("e05", "fibers: spawn, join, value", fiberBasics),
            ("e06", "fibers switch by themselves where they sleep", fiberSleep),
            ("e07", "fibers that pass for threads, and sleep", threadNames),
            ("e08", "the same ten tasks one by one, then together", synchronousAndAsynchronous),
            ("e18", "the slow server: port, delay, --single", slowServer),
            (
                "e22", "five requests at once to the slow server",
                { try requestsInTasks(Settings.number("TASKS", default: 5)) }
            ),
            ("e23", "a hundred of them", { try requestsInTasks(Settings.number("TASKS", default: 100)) }),
            ("e24", "one request after the other", serialRequests),
        ]
    }

    static func main() {
        setlinebuf(stdout)  // a reader on a pipe sees each line when it is printed
        guard let name = CommandLine.arguments.dropFirst().first else {
            for example in all { print("\(example.name)  \(example.about)") }
            return
        }
        guard let example = all.first(where: { $0.name == name }) else {
            fail("there is no example \(name); without a name they are listed", code: EX_USAGE)
        }
        do {
            try example.run()
        } catch {
            fail("\(name): \(error)", code: EX_SOFTWARE)
        }
    }

    private static func fail(_ reason: String, code: CInt) -> Never {
        let line = "SwiftletExamples: \(reason)\n"
        _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
        exit(code)
    }
}
