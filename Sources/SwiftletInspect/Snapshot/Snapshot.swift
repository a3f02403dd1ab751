/// What a process was doing, as the inspector tells it and the command shows it.
package struct Snapshot: Sendable {
    package var process = Process()
    package var loops: [Loop] = []
    package var coroutines: [Coroutine] = []
    /// Distinct backtraces: addresses, innermost first.
    package var stacks: [[UInt]] = []
    /// The functions at addresses.
    package var symbols: [UInt: String] = [:]
    package var descriptors: [DescriptorGroup] = []
    package var metrics: [Metric] = []
    package var reports: [PastReport] = []

    package init() {}

    package struct Process: Sendable {
        package var identifier = 0
        package var name = ""
        /// How long looking took, in nanoseconds; the process ran on meanwhile.
        package var duration = 0
        package var openDescriptors = 0
        package var descriptorLimit = 0
        /// For how long the inspector has watched: nothing is known to be older.
        package var watched = 0
        package var residentKilobytes = 0
        /// Why coroutines cannot be listed; empty if they can.
        package var refusal = ""
    }

    package struct Loop: Sendable {
        package var thread = 0
        package var threadName = ""
        /// Such as `sleeps`, `runs checkout`, `is blocked in the system call nanosleep`.
        package var state = ""
        package var turns = 0
        package var parks = 0
        package var polls = 0
        package var sleeps = 0
        package var hops = 0
        package var jobs = 0
        package var fibers = 0
        package var timers = 0
        package var liveStacks = 0
        package var pooledStacks = 0
        package var ready = 0
        package var readyJobs = 0
        package var unread = 0
        package var processorTime = 0
        /// Thousandths of its time in which its thread computed, lately.
        package var busy: Int?
        /// How long work stood in the ready queue, in nanoseconds: what half, nine tenths, 99 % and all stayed below.
        package var delays: [Int] = []
        /// For how long it has not turned, if it works.
        package var stuck: Int?
        package var stack: Int?
        package var running: UInt?
    }

    package struct Coroutine: Sendable {
        package var identity: UInt = 0
        package var loop = 0
        /// `fiber`, `task`, `greenlet`, `generator` or `thread`.
        package var kind = ""
        /// `new`, `running`, `blocked` (in a system call), `ready`, `waiting` or `suspended`.
        package var state = ""
        package var number = 0
        package var name = ""
        package var origin: String?
        /// Whoever spawned it, if that lives.
        package var parent: UInt?
        /// What it waits for, in words.
        package var wait = ""
        package var waitAge: Int?
        /// Nanoseconds until the wait ends in any case.
        package var deadline: Int?
        package var age: Int?
        /// The age is at least this; it was there when the inspector came.
        package var isOlder = false
        /// The same for its wait.
        package var waitIsOlder = false
        package var scope: String?
        package var isCancelled = false
        package var isBackground = false
        package var stack: Int?
        package var stackUsed = 0
        package var stackTouched = 0
        package var stackSize = 0
        package var cycle: Int?
        package var waitsFor: [UInt] = []
        /// Of the samples taken, in how many it ran, in thousandths; `nil` if none were taken.
        package var processorShare: Int?
        /// For how long it has run, in nanoseconds; 0 if that was not counted.
        package var runTime = 0
        package var what: String { kind == "fiber" ? name : "\(kind) \(name)" }
    }

    /// Open descriptors of one sort.
    package struct DescriptorGroup: Sendable {
        package var count = 0
        package var description = ""
        package var numbers: [UInt] = []
        /// Where they were made.
        package var stack: Int?
    }

    /// A number that a part of the program tells about itself.
    package struct Metric: Sendable {
        package var name = ""
        package var value = ""
    }

    package struct PastReport: Sendable {
        package var age = 0
        package var kind = ""
        package var message = ""
    }
}

extension Snapshot {
    func encode(_ writer: inout WireWriter, flush: (inout WireWriter) throws -> Void) rethrows {
        writer.begin("process")
        writer.add(process.identifier)
        writer.add(process.name)
        writer.add(process.duration)
        writer.add(process.openDescriptors)
        writer.add(process.descriptorLimit)
        writer.add(process.watched)
        writer.add(process.residentKilobytes)
        writer.add(process.refusal)
        writer.end()
        for loop in loops { loop.encode(&writer) }
        for (place, coroutine) in coroutines.enumerated() {
            coroutine.encode(&writer)
            if place % 512 == 511 { try flush(&writer) }
        }
        for stack in stacks {
            writer.begin("stack")
            writer.add(stack)
            writer.end()
        }
        try flush(&writer)
        for (address, name) in symbols {
            writer.begin("symbol")
            writer.add(CollectionOfOne(address))
            writer.add(name)
            writer.end()
        }
        for group in descriptors {
            writer.begin("descriptors")
            writer.add(group.count)
            writer.add(group.description)
            writer.add(group.numbers)
            writer.add(group.stack)
            writer.end()
        }
        for metric in metrics {
            writer.begin("metric")
            writer.add(metric.name)
            writer.add(metric.value)
            writer.end()
        }
        for report in reports {
            writer.begin("report")
            writer.add(report.age)
            writer.add(report.kind)
            writer.add(report.message)
            writer.end()
        }
        writer.begin("end")
        writer.end()
        try flush(&writer)
    }

    /// Takes in one line. False at the end.
    mutating func take(_ line: ArraySlice<UInt8>) -> Bool {
        var reader = WireReader(line)
        let kind = reader.field()
        switch String(decoding: kind, as: UTF8.self) {
        case "coroutine": coroutines.append(Coroutine(&reader))
        case "stack": stacks.append(reader.numbers())
        case "symbol":
            guard let address = reader.numbers().first else { break }
            symbols[address] = reader.text()
        case "loop": loops.append(Loop(&reader))
        case "process":
            process.identifier = reader.number()
            process.name = reader.text()
            process.duration = reader.number()
            process.openDescriptors = reader.number()
            process.descriptorLimit = reader.number()
            process.watched = reader.number()
            process.residentKilobytes = reader.number()
            process.refusal = reader.text()
        case "descriptors":
            descriptors.append(
                DescriptorGroup(
                    count: reader.number(), description: reader.text(), numbers: reader.numbers(),
                    stack: reader.optionalNumber()))
        case "metric": metrics.append(Metric(name: reader.text(), value: reader.text()))
        case "report":
            reports.append(PastReport(age: reader.number(), kind: reader.text(), message: reader.text()))
        case "end": return false
        default: break  // of a later version
        }
        return true
    }
}

extension Snapshot.Loop {
    fileprivate func encode(_ writer: inout WireWriter) {
        writer.begin("loop")
        writer.add(thread)
        writer.add(threadName)
        writer.add(state)
        for counter in [turns, parks, polls, sleeps, hops, jobs, fibers, timers, liveStacks, pooledStacks] {
            writer.add(counter)
        }
        for count in [ready, readyJobs, unread, processorTime] { writer.add(count) }
        writer.add(busy)
        writer.add(delays)
        writer.add(stuck)
        writer.add(stack)
        writer.add(running.map { [$0] } ?? [])
        writer.end()
    }

    fileprivate init(_ reader: inout WireReader) {
        thread = reader.number()
        threadName = reader.text()
        state = reader.text()
        turns = reader.number()
        parks = reader.number()
        polls = reader.number()
        sleeps = reader.number()
        hops = reader.number()
        jobs = reader.number()
        fibers = reader.number()
        timers = reader.number()
        liveStacks = reader.number()
        pooledStacks = reader.number()
        ready = reader.number()
        readyJobs = reader.number()
        unread = reader.number()
        processorTime = reader.number()
        busy = reader.optionalNumber()
        delays = reader.numbers().map { Int($0) }
        stuck = reader.optionalNumber()
        stack = reader.optionalNumber()
        running = reader.numbers().first
    }
}

extension Snapshot.Coroutine {
    fileprivate func encode(_ writer: inout WireWriter) {
        writer.begin("coroutine")
        writer.add(CollectionOfOne(identity))
        writer.add(loop)
        writer.add(kind)
        writer.add(state)
        writer.add(number)
        writer.add(name)
        writer.add(origin ?? "")
        writer.add(parent.map { [$0] } ?? [])
        writer.add(wait)
        writer.add(waitAge)
        writer.add(deadline)
        writer.add(age)
        writer.add(isOlder)
        writer.add(waitIsOlder)
        writer.add(scope ?? "")
        writer.add(isCancelled)
        writer.add(isBackground)
        writer.add(stack)
        writer.add(stackUsed)
        writer.add(stackTouched)
        writer.add(stackSize)
        writer.add(cycle)
        writer.add(waitsFor)
        writer.add(processorShare)
        writer.add(runTime)
        writer.end()
    }

    fileprivate init(_ reader: inout WireReader) {
        identity = reader.numbers().first ?? 0
        loop = reader.number()
        kind = reader.text()
        state = reader.text()
        number = reader.number()
        name = reader.text()
        origin = reader.optionalText()
        parent = reader.numbers().first
        wait = reader.text()
        waitAge = reader.optionalNumber()
        deadline = reader.optionalNumber()
        age = reader.optionalNumber()
        isOlder = reader.flag()
        waitIsOlder = reader.flag()
        scope = reader.optionalText()
        isCancelled = reader.flag()
        isBackground = reader.flag()
        stack = reader.optionalNumber()
        stackUsed = reader.number()
        stackTouched = reader.number()
        stackSize = reader.number()
        cycle = reader.optionalNumber()
        waitsFor = reader.numbers()
        processorShare = reader.optionalNumber()
        runTime = reader.number()
    }
}
