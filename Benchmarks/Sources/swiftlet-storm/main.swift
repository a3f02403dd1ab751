import CStorm
import Glibc
import Swiftlet

// Stacks switch in every way there is, on two loops, while each loop's thread is interrupted a thousand times a second
// and its stack walked from wherever it happens to be. Before that each kind of switch is walked instruction by
// instruction, since a timer seldom hits the few at which the registers are half those of one stack, half of the other.
// A crash is the failure.

let seconds = CommandLine.arguments.dropFirst().first.map { Int($0) ?? 0 } ?? 60
guard seconds > 0 else {
    print("usage: swiftlet-storm [seconds]")
    exit(64)
}

do {
    storm_install()
    if try EventLoop.run(stepThroughSwitches) { print("\(storm_signals()) instructions walked") }
    let before = storm_signals()
    let deadline = Deadline.after(.seconds(seconds))
    let switches = try EventLoopGroup.with(count: 2) { group in
        let storms = group.loops.map { loop in loop.spawn(name: "storm") { try storm(until: deadline) } }
        return try storms.map { try $0.get() }.reduce(0, +)
    }
    let signals = storm_signals() - before
    print("\(signals) signals, \(switches) switches, \(seconds) s")
    // A storm that did not blow has shown nothing. A busy machine has less than the 2000 ticks a second of two loops.
    exit(signals >= UInt64(seconds) * 200 ? 0 : 1)
} catch {
    print("swiftlet-storm: \(error)")
    exit(1)
}
