import CSwiftlet
import Swiftlet
import SwiftletInspect

/// Turns a loop's events into Chrome's trace event format, which Perfetto reads as well.
///
/// A loop is a thread of the viewer, on which stands what it runs. A coroutine is an asynchronous track: its life, and in that
/// what it waits for and when it was ready. A track's events are told apart by name, so each end repeats its begin's.
///
/// Who lived before is known by a look before the recording. What such a coroutine did at the begin of the recording is told
/// with its first event, or at the end if there is none: until then it may turn out to have gone between the look and the begin.
struct ChromeTrace {
    private struct Stack {
        var name: String
        /// The coroutine's track.
        var track: String
        /// Where it was spawned, if its name is another.
        var place: String?
        /// What it waits for, or that it is ready.
        var doing: String?
    }

    /// A coroutine of the look before.
    private struct Former {
        let name: String
        let track: String
        let place: String?
        /// What it did then, if it was not running.
        var doing: String?
        /// Tells it from a later one on the same stack.
        let number: Int
    }

    /// A fiber that has begun, and whose name may follow.
    private struct Starting {
        let event: swiftlet_trace_event
        var name: String
        let track: String
        var place: String?
    }

    private struct Loop {
        var thread = 0
        var stacks: [UInt64: Stack] = [:]
        /// Who has had no event.
        var former: [UInt64: Former] = [:]
        var starting: Starting?
        /// What its thread runs.
        var running: String?
        /// What it ran at the begin according to the look before; used while no event has told.
        var runningBefore: String?
        var hasTold = false
        var latest: UInt64
    }

    private let write: (String) -> Void
    private let process: Int
    private var loops: [Int: Loop] = [:]
    private var texts: [UInt64: String] = [:]
    private var descriptors: [UInt64: String] = [:]
    /// Where fibers were spawned that have not begun.
    private var origins: [UInt64: String] = [:]
    private var quoted: [String: String] = [:]
    private(set) var latest: UInt64
    /// When the recording began. Times count from here: of larger numbers viewers lose the last digits, and what follows one
    /// another would overlap.
    private let begin: UInt64
    private var isFirst = true
    private let before: Snapshot
    private(set) var eventCount = 0
    private(set) var lostCount = 0

    /// - Parameters:
    ///   - before: who lived when the recording began.
    ///   - begin: when that was, in nanoseconds of CLOCK_MONOTONIC.
    init(_ before: Snapshot, begin: UInt64, write: @escaping (String) -> Void) {
        self.before = before
        self.begin = begin
        self.write = write
        latest = begin
        process = before.process.identifier
        write("[\n")
        emit("process_name", "M", begin, 0, "\"args\": {\"name\": \(JSONText.quoted(before.process.name))}")
    }

    mutating func take(_ frame: TraceFrame, _ bytes: [UInt8]) {
        switch frame.kind {
        case .events:
            bytes.withUnsafeBytes { bytes in
                let size = MemoryLayout<swiftlet_trace_event>.stride
                for place in 0..<(bytes.count / size) {
                    take(bytes.loadUnaligned(fromByteOffset: place * size, as: swiftlet_trace_event.self), frame.loop)
                }
            }
        default:
            guard bytes.count >= 8 else { return }
            let number = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
            take(frame, number, String(decoding: bytes.dropFirst(8), as: UTF8.self))
        }
    }

    private mutating func take(_ frame: TraceFrame, _ number: UInt64, _ text: String) {
        switch frame.kind {
        case .text: texts[number] = text
        case .descriptor: descriptors[number] = text
        case .lost:
            lostCount += Int(number)
            markGap(frame.loop, Int(number))
        case .loop:
            var loop = Loop(thread: Int(number), latest: begin)
            let place = before.loops.firstIndex { $0.thread == Int(number) }
            if let place {
                let state = before.loops[place]
                let running = before.coroutines.first { $0.identity == state.running && $0.loop == place }
                loop.runningBefore = running?.what ?? (state.state.hasPrefix("sleeps") ? Self.sleeping : nil)
            }
            for coroutine in before.coroutines where coroutine.loop == place {
                loop.former[UInt64(coroutine.identity)] = Self.former(coroutine, frame.loop)
            }
            loops[frame.loop] = loop
            emit(
                "thread_name", "M", begin, loop.thread,
                "\"args\": {\"name\": \(JSONText.quoted("loop \(text)"))}")
        case .events: break
        }
    }

    private mutating func take(_ event: swiftlet_trace_event, _ place: Int) {
        eventCount += 1
        latest = max(latest, event.time)
        var loop = loops[place] ?? Loop(latest: begin)
        loops[place] = nil  // else each change would copy it
        defer { loops[place] = loop }
        loop.latest = max(loop.latest, event.time)
        let kind = CInt(bitPattern: event.kind)
        if kind == CInt(SWIFTLET_TRACE_NAME) { return name(&loop, event) }
        start(&loop)
        switch kind {
        case CInt(SWIFTLET_TRACE_SPAWN):
            let origin = "\(texts[event.object] ?? "?"):\(event.detail)"
            if origins.count < 1_000_000 { origins[event.subject] = origin }
            emit(
                "spawn", "i", event.time, loop.thread,
                "\"s\": \"t\", \"args\": {\"place\": \(JSONText.quoted(origin))}")
        case CInt(SWIFTLET_TRACE_START):
            let origin = origins.removeValue(forKey: event.object)
            loop.starting = Starting(
                event: event, name: "fiber \(origin.map { "at \($0)" } ?? "\(event.number)")",
                track: "\(place).\(event.number)", place: origin)
        case CInt(SWIFTLET_TRACE_JOB):
            // A task that has waited without a stack until now.
            if loop.former[event.object] != nil {
                end(&loop, event.object, event.time)
            }
            let track = "task \(String(event.object, radix: 16))"
            loop.starting = Starting(event: event, name: "task", track: track)
            start(&loop)
        case CInt(SWIFTLET_TRACE_END), CInt(SWIFTLET_TRACE_JOB_END):
            ran(&loop, event)
            stopRunning(&loop, event.time)
            end(&loop, event.subject, event.time)
        case CInt(SWIFTLET_TRACE_PARK):
            ran(&loop, event)
            let name = loop.running
            stopRunning(&loop, event.time)
            var stack = stack(&loop, event.subject, name)
            // Without a wait it has only let others run, or was woken before it had parked.
            change(&stack, to: event.number == 0 ? Self.ready : describeWait(event), event.time, loop.thread)
            loop.stacks[event.subject] = stack
        case CInt(SWIFTLET_TRACE_READY):
            guard loop.stacks[event.subject] != nil || loop.former[event.subject] != nil else { return }
            var stack = stack(&loop, event.subject, nil)
            change(&stack, to: Self.ready, event.time, loop.thread)
            loop.stacks[event.subject] = stack
        case CInt(SWIFTLET_TRACE_RESUME):
            var stack = stack(&loop, event.subject, nil)
            change(&stack, to: nil, event.time, loop.thread)
            loop.stacks[event.subject] = stack
            run(&loop, stack.name, event.time)
        case CInt(SWIFTLET_TRACE_SLEEP): run(&loop, Self.sleeping, event.time)
        case CInt(SWIFTLET_TRACE_AWAKE):
            if !loop.hasTold { run(&loop, Self.sleeping, begin) }
            stopRunning(&loop, event.time)
        default: break
        }
    }

    private static let sleeping = "(sleeps)"
    private static let ready = "is ready"

    // MARK: The begin of a coroutine

    /// The name comes right behind the begin. If that was lost, it says nothing.
    private mutating func name(_ loop: inout Loop, _ event: swiftlet_trace_event) {
        loop.starting?.name = withUnsafeBytes(of: (event.subject, event.object, event.number)) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        start(&loop)
    }

    private mutating func start(_ loop: inout Loop) {
        guard let starting = loop.starting else { return }
        loop.starting = nil
        let event = starting.event
        // Whose end was lost, or came between the look and the recording.
        loop.former[event.subject] = nil
        end(&loop, event.subject, event.time)
        var stack = Stack(name: starting.name, track: starting.track)
        if let place = starting.place, !starting.name.hasSuffix(place) { stack.place = place }
        tell(stack, event.time, loop.thread)
        loop.stacks[event.subject] = stack
        run(&loop, stack.name, event.time)
    }

    private static func former(_ coroutine: Snapshot.Coroutine, _ loop: Int) -> Former? {
        let key = String(coroutine.identity, radix: 16)
        let doing: String?
        switch coroutine.state {
        case "waiting": doing = describeWait(coroutine.wait)
        case "ready": doing = ready
        case "running", "blocked": doing = nil
        default: return nil  // has not begun, or may be at work elsewhere
        }
        let place = coroutine.origin.flatMap { coroutine.name.hasSuffix($0) ? nil : $0 }
        return Former(
            name: coroutine.what,
            track: coroutine.number > 0
                ? "\(loop).\(coroutine.number)"
                // As its jobs call it.
                : coroutine.kind == "task" ? coroutine.what.replacing("at 0x", with: "") : key,
            place: place, doing: doing, number: coroutine.number)
    }

    /// A stack that has an event: known, from before, or one whose begin was lost.
    private mutating func stack(_ loop: inout Loop, _ subject: UInt64, _ name: String?) -> Stack {
        if let former = loop.former.removeValue(forKey: subject) { return tell(former, loop.thread) }
        if let known = loop.stacks[subject] { return known }
        let stack = Stack(name: name ?? "coroutine", track: String(subject, radix: 16))
        tell(stack, begin, loop.thread)
        return stack
    }

    private mutating func tell(_ former: Former, _ thread: Int) -> Stack {
        var stack = Stack(name: former.name, track: former.track, place: former.place)
        tell(stack, begin, thread)
        change(&stack, to: former.doing, begin, thread)
        return stack
    }

    /// Whoever stops running without having been seen to begin has run since the begin.
    private mutating func ran(_ loop: inout Loop, _ event: swiftlet_trace_event) {
        guard !loop.hasTold else { return }
        loop.former[event.subject]?.doing = nil
        let stack = stack(&loop, event.subject, nil)
        loop.stacks[event.subject] = stack
        run(&loop, stack.name, begin)
    }

    // MARK: Gaps

    /// Events were lost between the last one and the next of the loop.
    private mutating func markGap(_ place: Int, _ count: Int) {
        guard var loop = loops[place] else { return }
        start(&loop)
        let name = "\(Wording.count(count, "event")) lost here"
        emit(name, "i", loop.latest, loop.thread, "\"s\": \"t\", \"args\": {\"lost\": \(count)}")
        // What it ran meanwhile is not known.
        run(&loop, "(\(name))", loop.latest)
        loops[place] = loop
    }

    private func describeWait(_ event: swiftlet_trace_event) -> String {
        guard let kind = WaitKind(rawValue: CInt(bitPattern: event.detail)) else { return "waits" }
        switch kind {
        case .readable: return "waits (I/O): \(descriptor(event.object)) to read"
        case .writable: return "waits (I/O): \(descriptor(event.object)) to write"
        case .lock: return "waits (lock): 0x\(String(event.object, radix: 16))"
        default: return "waits: \(kind)"
        }
    }

    private func descriptor(_ number: UInt64) -> String { descriptors[number] ?? "descriptor \(number)" }

    /// The same for what a look tells.
    private static func describeWait(_ wait: String) -> String {
        if wait.hasPrefix("a lock") { return "waits (lock): \(wait)" }
        return wait.hasPrefix("descriptor ") ? "waits (I/O): \(wait)" : "waits: \(wait)"
    }

    // MARK: The loop's thread

    private mutating func run(_ loop: inout Loop, _ name: String, _ time: UInt64) {
        stopRunning(&loop, time)
        loop.hasTold = true
        loop.running = name
        emit(name, "B", time, loop.thread)
    }

    private mutating func stopRunning(_ loop: inout Loop, _ time: UInt64) {
        guard let name = loop.running else { return }
        emit(name, "E", time, loop.thread)
        loop.running = nil
    }

    // MARK: The coroutine's track

    /// A viewer calls a track by its outermost event: the coroutine's life.
    private mutating func tell(_ stack: Stack, _ time: UInt64, _ thread: Int) {
        let arguments = stack.place.map { "\"args\": {\"spawned at\": \(JSONText.quoted($0))}" }
        emitTrack(stack.name, "b", time, thread, stack.track, arguments)
    }

    /// - Parameter doing: a wait, or that it is ready; `nil`: it runs.
    private mutating func change(
        _ stack: inout Stack, to doing: String?, _ time: UInt64, _ thread: Int
    ) {
        if let old = stack.doing { emitTrack(old, "e", time, thread, stack.track) }
        if let doing { emitTrack(doing, "b", time, thread, stack.track) }
        stack.doing = doing
    }

    private mutating func end(_ loop: inout Loop, _ subject: UInt64, _ time: UInt64, note: String? = nil) {
        if let former = loop.former.removeValue(forKey: subject) { loop.stacks[subject] = tell(former, loop.thread) }
        guard let stack = loop.stacks.removeValue(forKey: subject) else { return }
        let arguments = note.map { "\"args\": {\"at the end\": \(JSONText.quoted($0))}" }
        if let doing = stack.doing { emitTrack(doing, "e", time, loop.thread, stack.track, arguments) }
        emitTrack(stack.name, "e", time, loop.thread, stack.track)
    }

    private mutating func emitTrack(
        _ name: String, _ phase: String, _ time: UInt64, _ thread: Int, _ track: String, _ more: String? = nil
    ) {
        emit(
            name, phase, time, thread,
            "\"cat\": \"coroutine\", \"id\": \"\(track)\"\(more.map { ", \($0)" } ?? "")")
    }

    /// - Parameter more: further members, as JSON.
    private mutating func emit(_ name: String, _ phase: String, _ time: UInt64, _ thread: Int, _ more: String? = nil) {
        // Another loop's events may come later and have been earlier.
        let (nanoseconds, isBefore) = time.subtractingReportingOverflow(begin)
        let distance = isBefore ? 0 &- nanoseconds : nanoseconds
        let fraction = String(distance % 1000)
        let text: String
        if let known = quoted[name] {
            text = known
        } else {
            text = JSONText.quoted(name)
            if quoted.count > 10_000 { quoted = [:] }
            quoted[name] = text
        }
        var line = isFirst ? "" : ",\n"
        line += "{\"name\": \(text), \"ph\": \"\(phase)\", \"ts\": \(isBefore ? "-" : "")\(distance / 1000)."
        line += "\(fraction.utf8.count < 2 ? "00" : fraction.utf8.count < 3 ? "0" : "")\(fraction), \"pid\": \(process)"
        line += ", \"tid\": \(thread)\(more.map { ", \($0)" } ?? "")}"
        write(line)
        isFirst = false
    }

    // MARK: The end

    /// Ends what is under way, and the file.
    ///
    /// - Parameters:
    ///   - time: when the recording ended; `nil` when not all that was recorded has been taken.
    ///   - after: a look since: who has had no event and is not in it had ended before the begin. `nil`: nobody knows.
    mutating func finish(at time: UInt64?, after: Snapshot?) {
        let time = max(time ?? 0, latest)
        let left = after.map { after in
            Dictionary(
                after.coroutines.map { (UInt64($0.identity), $0) }, uniquingKeysWith: { first, _ in first })
        }
        for place in loops.keys.sorted() {
            guard var loop = loops[place] else { continue }
            start(&loop)
            if !loop.hasTold, let running = loop.runningBefore { run(&loop, running, begin) }
            stopRunning(&loop, time)
            loop.former = loop.former.filter { key, former in left.map { $0[key]?.number == former.number } ?? true }
            for key in Set(loop.stacks.keys).union(loop.former.keys).sorted() {
                let wait = left?[key].flatMap { $0.state == "waiting" ? $0 : nil }
                let track = wait.map { "\(place).\($0.number)" }
                // Such as who holds the lock that it has waited for since some event.
                let note = loop.stacks[key].flatMap { $0.track == track && $0.doing != Self.ready ? wait?.wait : nil }
                end(&loop, key, time, note: note)
            }
            loops[place] = loop
        }
        write("\n]\n")
    }
}
