import SwiftletInspect

/// Numbers as people read them.
enum Wording {
    /// Nanoseconds, such as `3.2 s`. A time that has passed, as of a deadline whose wait is about to end, is none.
    static func time(_ nanoseconds: Int) -> String {
        let nanoseconds = max(0, nanoseconds)
        switch nanoseconds {
        case ..<1_000_000: return "\(nanoseconds / 1000) us"
        case ..<10_000_000: return tenths(nanoseconds / 100_000) + " ms"
        case ..<1_000_000_000: return "\(nanoseconds / 1_000_000) ms"
        case ..<100_000_000_000: return tenths(nanoseconds / 100_000_000) + " s"
        case ..<6_000_000_000_000: return "\(nanoseconds / 60_000_000_000) min"
        default: return "\(nanoseconds / 3_600_000_000_000) h"
        }
    }

    static func tenths(_ number: Int) -> String { "\(number / 10).\(abs(number % 10))" }

    /// Of a thousand.
    static func percent(_ thousandths: Int) -> String { tenths(thousandths) + " %" }

    static func age(_ age: Int?, isOlder: Bool) -> String {
        guard let age else { return "-" }
        return (isOlder ? ">" : "") + time(age)
    }

    /// For how long a coroutine has run, if that was counted.
    static func runTime(_ coroutine: Snapshot.Coroutine) -> String {
        coroutine.runTime == 0 ? "-" : time(coroutine.runTime)
    }

    /// With its plural.
    static func count(_ number: Int, _ noun: String, _ plural: String? = nil) -> String {
        "\(grouped(number)) \(number == 1 ? noun : plural ?? noun + "s")"
    }

    /// With a comma after each three digits.
    static func grouped(_ number: Int) -> String {
        var text = ""
        for (place, digit) in String(abs(number)).reversed().enumerated() {
            if place > 0, place % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (number < 0 ? "-" : "") + String(text.reversed())
    }

    /// Demangled names of private things say in which file they are, by a number: `(look in _0123…)`.
    static func withoutDiscriminators(_ name: String) -> String {
        var parts = name.split(separator: " in _", omittingEmptySubsequences: false).map(String.init)
        for place in parts.indices.dropFirst() {
            let rest = parts[place]
            let number = rest.prefix(32)
            guard number.count == 32, number.allSatisfy(\.isHexDigit), rest.dropFirst(32).first == ")",
                let opening = parts[place - 1].lastIndex(of: "(")
            else {
                parts[place] = " in _" + rest
                continue
            }
            parts[place - 1].remove(at: opening)
            parts[place] = String(rest.dropFirst(33))
        }
        return parts.joined()
    }

    /// Whose code a demangled name is: `closure #1 () -> () in Module.function() + 12` is Module's.
    static func module(of name: String) -> String {
        let place = name.split(separator: " in ").last ?? ""
        let word = place.split(separator: " ").first { $0 != "static" && $0 != "merged" } ?? ""
        // `(extension in Module):Module.Type.function()`, of which the place begins with the first `Module`
        return String(word.prefix { $0 != "." && $0 != ")" })
    }

    /// A terminal must not take a name's bytes for commands.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 32 || (127..<160).contains($0.value) }) else {
            return text
        }
        return String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.value < 32 || (127..<160).contains($0.value) ? "?" : $0 }))
    }
}

extension Snapshot {
    /// The lines of a backtrace that say something: without the ways by which every fiber begins, every wait parks and every
    /// descriptor is noted.
    func backtrace(_ stack: Int?, limit: Int = 48) -> [String] {
        guard let stack, stacks.indices.contains(stack) else { return [] }
        let names = stacks[stack].map { Wording.printable(symbols[$0] ?? "0x" + String($0, radix: 16)) }
        let inner = names.drop { name in Self.innermost.contains { name.contains($0) } }
        let outer = inner.prefix { name in !Self.outermost.contains { name.contains($0) } }
        let telling = (outer.isEmpty ? inner : outer).filter { name in !Self.thunks.contains { name.hasPrefix($0) } }
        // The compiler's common part of functions that are alike has the name of one of them, be it another's: its caller tells.
        let certain = telling.prefix(1) + telling.dropFirst().filter { !$0.hasPrefix("merged ") }
        return certain.prefix(limit).map(Wording.withoutDiscriminators)
    }

    /// The same from the innermost function on that is neither the library's nor Swift's.
    func ownFrames(_ stack: Int?, limit: Int = 12) -> [String] {
        let all = backtrace(stack)
        let own = all.drop {
            Self.libraries.contains(Wording.module(of: $0)) || $0.hasPrefix("0x") || $0.contains(".so")
        }
        return Array((own.isEmpty ? all[...] : own).prefix(limit))
    }

    private static let libraries: Set<String> = [
        "Swift", "_Concurrency", "CSwiftlet", "SwiftletCoroutines", "SwiftletLoop", "SwiftletAsyncIO", "SwiftletNet",
        "SwiftletHTTP", "SwiftletPool", "SwiftletNATS", "SwiftletInterpose",
    ]

    private static let innermost = [
        "SwiftletLoop.DescriptorOrigins.", "SwiftletLoop.Descriptor.init", "SwiftletLoop.Descriptor.__allocating_init",
        "SwiftletLoop.parkUntilDecided", "SwiftletLoop.PendingWait.", "SwiftletLoop.park(", "SwiftletLoop.waitInLine",
    ]
    private static let outermost = ["in SwiftletLoop.Fiber.init(", "SwiftletLoop.LoopExecutors.run"]
    private static let thunks = ["partial apply forwarder", "reabstraction thunk", "@objc closure"]

    /// How a coroutine is named in a list: its number, with its loop's if there are several.
    func label(_ coroutine: Coroutine) -> String {
        guard coroutine.number > 0 else { return "-" }
        return loops.count > 1 ? "\(coroutine.loop).\(coroutine.number)" : "\(coroutine.number)"
    }

    func summary(_ loop: Loop) -> String {
        var parts = [
            "loop of thread \(loop.thread) (\(Wording.printable(loop.threadName))): \(Wording.printable(loop.state))"
        ]
        if let stuck = loop.stuck { parts.append("has not turned for \(Wording.time(stuck))") }
        if let busy = loop.busy { parts.append("busy \(Wording.percent(busy))") }
        parts.append("\(loop.ready) ready")
        if loop.delays.count == 4 {
            parts.append("delay 50 % \(Wording.time(loop.delays[0])), 99 % \(Wording.time(loop.delays[2]))")
        }
        return parts.joined(separator: "; ")
    }

    func counters(_ loop: Loop) -> String {
        """
        \(Wording.count(loop.turns, "turn")), \(Wording.count(loop.parks, "park")), \(Wording.count(loop.sleeps, "sleep")), \
        \(Wording.count(loop.hops, "hop")), \(Wording.count(loop.fibers, "fiber")) and \(Wording.count(loop.jobs, "job")) run, \
        \(Wording.count(loop.timers, "timer"))
        """
    }

    var summary: String {
        """
        process \(process.identifier) (\(Wording.printable(process.name))): \(Wording.count(loops.count, "loop")), \
        \(Wording.count(coroutines.count, "coroutine")), \(Wording.grouped(process.openDescriptors)) of \
        \(Wording.grouped(process.descriptorLimit)) descriptors, \(process.residentKilobytes / 1024) MB
        """
    }
}
