@preconcurrency import Glibc  // for `stdout`
import SwiftletInterpose
import SwiftletPool

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
            ("e09", "a coroutine function", coroutineFunction),
            ("e10", "await suspends until the result is there", awaitResult),
            ("e11", "a awaits b, b waits, others run", awaitedOneWaits),
            ("e12", "a coroutine object, and a loop that runs it", runUntilComplete),
            ("e13", "a task before and after it has run", createTask),
            ("e14", "a task without a loop having been named", ensureFutureExample),
            ("e15", "a callback for the end of a task", doneCallback),
            ("e16", "the result of a task", taskResult),
            ("e17", "five tasks, waited for together", waitForFive),
            ("e18", "the slow server: port, delay, --single, --async", slowServer),
            ("e19", "a client that blocks, in five tasks", blockingRequestsInTasks),
            ("e20", "await on a plain object, and errors that nobody asks for", awaitResponse),
            ("e21", "a client that blocks, in an async function", asynchronousWrapper),
            (
                "e22", "five requests at once to the slow server",
                { try requestsInTasks(Settings.number("TASKS", default: 5)) }
            ),
            ("e23", "a hundred of them", { try requestsInTasks(Settings.number("TASKS", default: 100)) }),
            ("e24", "one request after the other", serialRequests),
            ("e25", "a hundred requests over a pool of processes", processPool),
            ("e26", "the same with coroutines in each process", processesAndTasks),
            ("e27", "ten random sleeps, gathered on a loop", gatherOnALoop),
            ("e28", "the same through AsyncIO.run", asyncIORun),
            ("primes", "a map that computes, on all processors", primesInProcesses),
            ("actors", "distributed actors in worker processes", actorsInWorkers),
            ("chat", "a chat room over WebSocket; with a port: a guest", chat),
            ("service", "a service as it is deployed: health, metrics, an end in order", service),
            ("proxy", "a proxy that streams both ways; behind it: the server's address", streamingProxy),
            ("crawler", "follows links as robots.txt and hosts' rest allow; behind it: where to begin", politeCrawler),
        ]
    }

    static func main() {
        // Workers of e25 and e26 print too, each line at once.
        setlinebuf(stdout)  // a reader on a pipe sees each line when it is printed
        WorkerProcess.runIfWorker(
            BlockingRequest.self, TaskRequest.self, CountPrimes.self, ActorCall<WordCounter>.self)
        if Settings.word("PATCH") == "all" { patchAll() }  // the cure for e19 and e21
        guard let name = CommandLine.arguments.dropFirst().first else {
            for example in all { print("\(example.name)  \(example.about)") }
            return
        }
        guard let example = all.first(where: { $0.name == name }) else {
            fail("there is no example \(name); without a name they are listed", code: EX_USAGE)
        }
        do {
            try example.run()
            guard Settings.word("LEFTOVERS") != nil else { return }
            try example.run()
            if let excess = try Holdings.excess(after: example.run) {
                fail("\(name) leaves behind: \(excess)", code: EX_SOFTWARE)
            }
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
