import CSwiftlet
import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// Puts into words what was found in the process.
struct SnapshotMaker {
    private let found: InspectedProcess
    private let loops: [EventLoop]
    private let watched: [Sampler.Watched?]
    private let now: UInt64
    private var snapshot = Snapshot()
    private var descriptors: [UInt: String] = [:]
    private let shares: [UInt: Int]?

    /// - Parameters:
    ///   - stacks: whether to tell where each coroutine waits, and of descriptors what they are.
    ///   - profile: for so long, in milliseconds, what runs is looked at before; 0: not at all.
    static func make(stacks: Bool, profile: Int, sampler: Sampler) -> Snapshot {
        let shares = profile > 0 ? takeProfile(milliseconds: profile) : nil
        guard let found = Inspection.look(stacks: stacks) else {
            var snapshot = Snapshot()
            fillProcess(&snapshot, sampler)
            snapshot.process.refusal =
                "the compiler of this build lays out fibers in a way that is not known here: use the compiler that the package names"
            return snapshot
        }
        var maker = SnapshotMaker(found, sampler, shares)
        return maker.make(stacks: stacks, sampler)
    }

    private init(_ found: InspectedProcess, _ sampler: Sampler, _ shares: [UInt: Int]?) {
        self.found = found
        self.shares = shares
        loops = EventLoop.all
        var watched = loops.map { sampler.watched($0) }
        while watched.count < found.loops.count { watched.append(nil) }
        self.watched = watched
        now = found.time
    }

    private mutating func make(stacks: Bool, _ sampler: Sampler) -> Snapshot {
        let numbers = Dictionary(
            found.coroutines.filter { $0.number > 0 }.map { (Place(loop: $0.loop, number: $0.number), $0.identity) },
            uniquingKeysWith: { first, _ in first })
        snapshot.coroutines.reserveCapacity(found.coroutines.count)
        for coroutine in found.coroutines where coroutine.kind != .thread || coroutine.state == .waiting {
            var described = describe(coroutine, stacks: stacks)
            if coroutine.spawner > 0 {
                described.parent = numbers[Place(loop: coroutine.loop, number: coroutine.spawner)]
            }
            snapshot.coroutines.append(described)
        }
        for index in found.loops.indices {
            let loop = describe(found.loops[index], index)
            // It does not run; that it does not wait as others do is the trouble.
            if loop.stuck != nil, found.loops[index].systemCall != nil,
                let place = snapshot.coroutines.firstIndex(where: { $0.identity == loop.running })
            {
                snapshot.coroutines[place].state = "blocked"
            }
            snapshot.loops.append(loop)
        }
        snapshot.stacks = found.stacks
        Self.fillProcess(&snapshot, sampler)
        snapshot.process.duration = Int(found.duration / .nanoseconds(1))
        if stacks { addDescriptors() }
        for (name, value) in Inspection.metrics { snapshot.metrics.append(Snapshot.Metric(name: name, value: value)) }
        let instant = ContinuousClock.now
        snapshot.reports = Report.latest.map {
            Snapshot.PastReport(
                age: Int((instant - $0.time) / .nanoseconds(1)), kind: $0.report.kind.description,
                message: $0.report.message)
        }
        for address in Set(snapshot.stacks.joined()) { snapshot.symbols[address] = Symbols.shared.name(of: address) }
        return snapshot
    }

    private struct Place: Hashable {
        let loop: Int
        let number: UInt64
    }

    // MARK: The process

    private static func fillProcess(_ snapshot: inout Snapshot, _ sampler: Sampler) {
        snapshot.process.identifier = Int(getpid())
        snapshot.process.name = readFile("/proc/self/comm").map { String($0.dropLast()) } ?? ""
        snapshot.process.watched = sampler.age
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            snapshot.process.descriptorLimit = Int(clamping: limit.rlim_cur)
        }
        snapshot.process.openDescriptors = openDescriptors().count
        let pages = readFile("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
        snapshot.process.residentKilobytes = (pages ?? 0) * sysconf(CInt(_SC_PAGESIZE)) / 1024
    }

    static func readFile(_ path: String) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        return count >= 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }

    /// The numbers of this process's descriptors, but for the one by which they are listed.
    private static func openDescriptors() -> [CInt] {
        guard let directory = opendir("/proc/self/fd") else { return [] }
        defer { closedir(directory) }
        var numbers: [CInt] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let number = CInt(name), number != dirfd(directory) { numbers.append(number) }
        }
        return numbers.sorted()
    }

    // MARK: Descriptors

    private mutating func addDescriptors() {
        struct Group: Hashable {
            let sort: String
            /// Functions, without the places in them: the optimizer makes several calls of one, as for a loop's first round.
            let origin: [Substring]
        }
        var groups: [Group: [CInt]] = [:]
        let origins = DescriptorOrigins.all
        var functions: [[UInt]: [Substring]] = [[]: []]
        let numbers = Self.openDescriptors()
        let listening = Set(numbers.compactMap { DescriptorText.listeningAddress(of: $0) })
        for number in numbers {
            let frames = origins[number] ?? []
            let origin = functions[frames] ?? frames.map { Symbols.shared.function(at: $0) }
            functions[frames] = origin
            let sort = DescriptorText.sort(of: number, listening: listening)
            groups[Group(sort: sort, origin: origin), default: []].append(number)
        }
        for (group, numbers) in groups.sorted(by: { ($1.value.count, $0.value[0]) < ($0.value.count, $1.value[0]) }) {
            var stack: Int?
            if let frames = numbers.lazy.compactMap({ origins[$0] }).first, !frames.isEmpty {
                stack = snapshot.stacks.count
                snapshot.stacks.append(frames)
            }
            snapshot.descriptors.append(
                Snapshot.DescriptorGroup(
                    count: numbers.count, description: group.sort, numbers: numbers.prefix(16).map { UInt($0) },
                    stack: stack))
        }
    }

    // MARK: Coroutines

    private mutating func describe(_ coroutine: InspectedCoroutine, stacks: Bool) -> Snapshot.Coroutine {
        var described = Snapshot.Coroutine()
        described.identity = coroutine.identity
        described.loop = coroutine.loop
        described.kind = Self.names[coroutine.kind.rawValue]
        described.state =
            switch coroutine.state {
            case .unstarted: "new"
            case .running: "running"
            case .ready: "ready"
            case .waiting: "waiting"
            case .suspended: "suspended"
            }
        described.number = Int(coroutine.number)
        described.name = name(of: coroutine)
        described.origin = coroutine.origin
        described.isCancelled = coroutine.isCancelled
        described.isBackground = coroutine.isBackground
        described.scope = coroutine.scopeOrigin
        described.stack = coroutine.stack
        described.stackUsed = coroutine.stackUsed
        described.stackTouched = coroutine.stackTouched
        described.stackSize = coroutine.stackSize
        described.cycle = coroutine.cycle
        described.waitsFor = coroutine.waitsFor.map { found.coroutines[$0].identity }
        if let deadline = coroutine.deadline { described.deadline = Int(clamping: deadline) - Int(now) }
        if coroutine.state == .waiting { described.wait = wait(of: coroutine, stacks: stacks) }
        if coroutine.state == .suspended, coroutine.kind == .task { described.wait = "an await" }
        if let history = watched[coroutine.loop]?.history {
            if let (age, isOlder) = history.age(coroutine.waitNumber, \.lastWait, at: now) {
                described.waitAge = Int(age)
                described.waitIsOlder = isOlder
            }
            if let (age, isOlder) = history.age(coroutine.number, \.fibers, at: now) {
                described.age = Int(age)
                described.isOlder = isOlder
            }
        }
        described.runTime = Int(coroutine.runNanoseconds)
        if let shares { described.processorShare = shares[coroutine.identity] ?? 0 }
        return described
    }

    private static let names = ["thread", "generator", "greenlet", "fiber", "task"]

    private func name(of coroutine: InspectedCoroutine) -> String {
        if let name = coroutine.name { return name }
        switch coroutine.kind {
        case .thread: return found.loops[coroutine.loop].threadName
        case .fiber: return coroutine.origin.map { "fiber at \($0)" } ?? "fiber"
        case .task: return "at 0x" + String(coroutine.owner, radix: 16)
        default: return "at 0x" + String(coroutine.identity, radix: 16)
        }
    }

    /// With what it is, unless that is a fiber.
    private func title(of coroutine: InspectedCoroutine) -> String {
        let name = name(of: coroutine)
        return coroutine.kind == .fiber ? name : "\(Self.names[coroutine.kind.rawValue]) \(name)"
    }

    private mutating func wait(of coroutine: InspectedCoroutine, stacks: Bool) -> String {
        let others = coroutine.waitsFor
        switch coroutine.waitKind ?? .other {
        case .fiber where others.count == 1: return "the end of \(title(of: found.coroutines[others[0]]))"
        case .fiber where others.count > 1: return "the ends of \(others.count) fibers"
        case .children where others.count == 1: return "a child of a spawn scope"
        case .children: return "\(others.count) children of a spawn scope"
        case .lock where !others.isEmpty: return "a lock held by \(title(of: found.coroutines[others[0]]))"
        case .readable: return "descriptor \(coroutine.waitObject) to read: \(descriptor(coroutine.waitObject))"
        case .writable: return "descriptor \(coroutine.waitObject) to write: \(descriptor(coroutine.waitObject))"
        case let kind where kind.isObject && coroutine.waitObject != 0:
            return "\(kind) (0x\(String(coroutine.waitObject, radix: 16)))"
        case let kind: return kind.description
        }
    }

    private mutating func descriptor(_ number: UInt) -> String {
        if let known = descriptors[number] { return known }
        let text = DescriptorText.describe(CInt(truncatingIfNeeded: number))
        descriptors[number] = text
        return text
    }

    // MARK: Loops

    private func describe(_ loop: InspectedLoop, _ index: Int) -> Snapshot.Loop {
        var described = Snapshot.Loop()
        described.thread = loop.kernelID
        described.threadName = loop.threadName
        let counters = loop.statistics
        described.turns = Int(counters.turns)
        described.parks = Int(counters.parks)
        described.polls = Int(counters.polls)
        described.sleeps = Int(counters.sleeps)
        described.hops = Int(counters.foreignWakes)
        described.jobs = Int(counters.jobs)
        described.fibers = Int(counters.fibers)
        described.timers = counters.timers
        described.liveStacks = counters.liveStacks
        described.pooledStacks = counters.pooledStacks
        described.ready = loop.readyCount
        described.readyJobs = loop.readyJobs
        described.unread = loop.unreadMessages
        described.processorTime = Int(loop.processorNanoseconds)
        described.stack = loop.stack
        if let running = loop.running, !loop.isAsleep { described.running = found.coroutines[running].identity }
        if let watched = watched[index] {
            described.busy = watched.history.busyShare(now: now, processorTime: loop.processorNanoseconds)
            described.delays = watched.probe.percentiles
            let isStanding = watched.history.samples.last?.turns == counters.turns
            let stands = now - min(watched.history.standsSince, now)
            if !loop.isAsleep, !loop.isOutside, isStanding, stands > 250_000_000 { described.stuck = Int(stands) }
        }
        described.state = state(of: loop, stuck: described.stuck)
        return described
    }

    private func state(of loop: InspectedLoop, stuck: Int?) -> String {
        if loop.isAsleep { return "sleeps until something happens" }
        if loop.isOutside { return "is not being run: its thread is outside of the loop" }
        let work = loop.running.map { "runs \(title(of: found.coroutines[$0]))" } ?? "works"
        guard stuck != nil else { return work }
        if loop.threadState == "T" || loop.threadState == "t" { return "is stopped (by a signal or a debugger)" }
        if let call = loop.systemCall { return "\(work), which is blocked in the system call \(call)" }
        return "\(work), which computes without a wait"
    }

    // MARK: Who computes

    /// Looks a thousand times a second what runs. Answers thousandths of the looks.
    private static func takeProfile(milliseconds: Int) -> [UInt: Int] {
        let loops = EventLoop.all
        var hits: [UInt: Int] = [:]
        for _ in 0..<milliseconds {
            for loop in loops { if let current = loop.currentStack { hits[current.address, default: 0] += 1 } }
            usleep(1000)
        }
        return hits.mapValues { $0 * 1000 / milliseconds }
    }
}

extension WaitKind {
    /// Such a wait names an object that several may wait for.
    fileprivate var isObject: Bool {
        switch self {
        case .lock, .semaphore, .event, .condition, .barrier, .queue, .channel, .waiter: true
        default: false
        }
    }
}
