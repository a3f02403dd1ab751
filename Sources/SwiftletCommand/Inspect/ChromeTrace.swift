import CSwiftlet
import Swiftlet
import SwiftletInspect

/// Turns a loop's events into Chrome's trace event format, which Perfetto reads as well.
///
/// A loop is a thread of the viewer, on which stands what it runs. A coroutine is an asynchronous track: its life, and in that
/// what it waits for and when it was ready. A track's events are told apart by name, so each end repeats its begin's.
struct ChromeTrace {
    private struct Stack {
        var name: String
        /// The coroutine's track.
        var track: String
        /// What has begun on the track and not ended, innermost last.
        var open: [String] = []
    }

    private struct Loop {
        var thread = 0
        var stacks: [UInt64: Stack] = [:]
        /// What its thread runs.
        var running: String?
        /// The stack of the fiber that began last: its name follows.
        var latest: UInt64 = 0
    }

    private let write: (String) -> Void
    private let process: Int
    private var loops: [Int: Loop] = [:]
    private var texts: [UInt64: String] = [:]
    private var descriptors: [UInt64: String] = [:]
    /// Where fibers were spawned that have not begun.
    private var origins: [UInt64: String] = [:]
    private var latest: UInt64 = 0
    /// When the first event came. Times count from here: of larger numbers viewers lose the last digits, and what follows one another
    /// would overlap.
    private var begin: UInt64?
    private var isFirst = true
    private let before: Snapshot
    private(set) var eventCount = 0
    private(set) var lostCount = 0

    /// - Parameter before: who lived when the recording began.
    init(_ before: Snapshot, write: @escaping (String) -> Void) {
        self.before = before
        self.write = write
        process = before.process.identifier
        write("[\n")
        emit("process_name", "M", 0, 0, [("args", JSONText.object([("name", JSONText.quoted(before.process.name))]))])
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
        case .lost: lostCount += Int(number)
        case .loop:
            var loop = Loop(thread: Int(number))
            let place = before.loops.firstIndex { $0.thread == Int(number) }
            for coroutine in before.coroutines where coroutine.loop == place {
                let key = UInt64(coroutine.identity)
                loop.stacks[key] = Stack(
                    name: coroutine.what,
                    track: coroutine.number > 0 ? "\(frame.loop).\(coroutine.number)" : String(key, radix: 16))
            }
            loops[frame.loop] = loop
            emit(
                "thread_name", "M", begin ?? 0, loop.thread,
                [("args", JSONText.object([("name", JSONText.quoted("loop \(text)"))]))])
        case .events: break
        }
    }

    private mutating func take(_ event: swiftlet_trace_event, _ place: Int) {
        eventCount += 1
        latest = max(latest, event.time)
        begin = begin ?? event.time
        var loop = loops[place] ?? Loop()
        loops[place] = nil  // else each change would copy it
        defer { loops[place] = loop }
        switch CInt(bitPattern: event.kind) {
        case CInt(SWIFTLET_TRACE_SPAWN):
            let origin = "\(texts[event.object] ?? "?"):\(event.detail)"
            if origins.count < 1_000_000 { origins[event.subject] = origin }
            emit(
                "spawn", "i", event.time, loop.thread,
                [("s", "\"t\""), ("args", JSONText.object([("place", JSONText.quoted(origin))]))])
        case CInt(SWIFTLET_TRACE_START):
            let origin = origins.removeValue(forKey: event.object)
            begin(&loop, event, "fiber \(origin.map { "at \($0)" } ?? "\(event.number)")", "\(place).\(event.number)")
        case CInt(SWIFTLET_TRACE_NAME): name(&loop, event)
        case CInt(SWIFTLET_TRACE_JOB):
            begin(&loop, event, "task", "task \(String(event.object, radix: 16))")
        case CInt(SWIFTLET_TRACE_END), CInt(SWIFTLET_TRACE_JOB_END):
            stopRunning(&loop, event.time)
            if let stack = loop.stacks.removeValue(forKey: event.subject) {
                for open in stack.open.reversed() { emitTrack(open, "e", event.time, loop.thread, stack.track) }
            }
        case CInt(SWIFTLET_TRACE_PARK):
            let name = loop.running
            stopRunning(&loop, event.time)
            var stack =
                loop.stacks[event.subject] ?? Stack(name: name ?? "coroutine", track: String(event.subject, radix: 16))
            stack.name = name ?? stack.name
            // Without a wait it has only let others run, or was woken before it had parked.
            open(event.number == 0 ? "is ready" : describeWait(event), event.time, &stack, loop.thread)
            loop.stacks[event.subject] = stack
        case CInt(SWIFTLET_TRACE_READY):
            guard var stack = loop.stacks[event.subject] else { return }
            closeLast(event.time, &stack, loop.thread, ifPrefix: "waits")
            open("is ready", event.time, &stack, loop.thread)
            loop.stacks[event.subject] = stack
        case CInt(SWIFTLET_TRACE_RESUME):
            var stack = loop.stacks[event.subject] ?? Stack(name: "coroutine", track: String(event.subject, radix: 16))
            closeLast(event.time, &stack, loop.thread, ifPrefix: "is ready")
            closeLast(event.time, &stack, loop.thread, ifPrefix: "waits")
            loop.stacks[event.subject] = stack
            run(&loop, stack.name, event.time)
        case CInt(SWIFTLET_TRACE_SLEEP): run(&loop, "(sleeps)", event.time)
        case CInt(SWIFTLET_TRACE_AWAKE): stopRunning(&loop, event.time)
        default: break
        }
    }

    private mutating func begin(_ loop: inout Loop, _ event: swiftlet_trace_event, _ name: String, _ track: String) {
        var stack = Stack(name: name, track: track)
        open(name, event.time, &stack, loop.thread)
        loop.stacks[event.subject] = stack
        loop.latest = event.subject
        run(&loop, name, event.time)
    }

    /// The name comes right behind the begin, and belongs to the stack that runs.
    private mutating func name(_ loop: inout Loop, _ event: swiftlet_trace_event) {
        let name = withUnsafeBytes(of: (event.subject, event.object, event.number)) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        loop.stacks[loop.latest]?.name = name
        run(&loop, name, event.time)
        emitTrack(name, "n", event.time, loop.thread, loop.stacks[loop.latest]?.track ?? "")
    }

    private func describeWait(_ event: swiftlet_trace_event) -> String {
        guard let kind = WaitKind(rawValue: CInt(bitPattern: event.detail)) else { return "waits" }
        switch kind {
        case .readable: return "waits (I/O): \(descriptors[event.object] ?? "descriptor \(event.object)") to read"
        case .writable: return "waits (I/O): \(descriptors[event.object] ?? "descriptor \(event.object)") to write"
        case .lock: return "waits (lock): 0x\(String(event.object, radix: 16))"
        default: return "waits: \(kind)"
        }
    }

    // MARK: The loop's thread

    private mutating func run(_ loop: inout Loop, _ name: String, _ time: UInt64) {
        stopRunning(&loop, time)
        loop.running = name
        emit(name, "B", time, loop.thread, [])
    }

    private mutating func stopRunning(_ loop: inout Loop, _ time: UInt64) {
        guard let name = loop.running else { return }
        emit(name, "E", time, loop.thread, [])
        loop.running = nil
    }

    // MARK: The coroutine's track

    private mutating func open(_ name: String, _ time: UInt64, _ stack: inout Stack, _ thread: Int) {
        // A viewer calls a track by its outermost event: of who lived before, its life begins here.
        if stack.open.isEmpty, name != stack.name { open(stack.name, time, &stack, thread) }
        stack.open.append(name)
        emitTrack(name, "b", time, thread, stack.track)
    }

    private mutating func closeLast(_ time: UInt64, _ stack: inout Stack, _ thread: Int, ifPrefix prefix: String) {
        guard let last = stack.open.last, last.hasPrefix(prefix) else { return }
        stack.open.removeLast()
        emitTrack(last, "e", time, thread, stack.track)
    }

    private mutating func emitTrack(_ name: String, _ phase: String, _ time: UInt64, _ thread: Int, _ track: String) {
        emit(name, phase, time, thread, [("cat", "\"coroutine\""), ("id", JSONText.quoted(track))])
    }

    private mutating func emit(
        _ name: String, _ phase: String, _ time: UInt64, _ thread: Int, _ more: [(String, String?)]
    ) {
        // Another loop's events may come later and have been earlier.
        let (nanoseconds, isBefore) = time.subtractingReportingOverflow(begin ?? time)
        let distance = isBefore ? 0 &- nanoseconds : nanoseconds
        let fraction = String(distance % 1000)
        let microseconds =
            "\(isBefore ? "-" : "")\(distance / 1000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction)"
        let members: [(String, String?)] = [
            ("name", JSONText.quoted(name)), ("ph", "\"\(phase)\""), ("ts", microseconds), ("pid", "\(process)"),
            ("tid", "\(thread)"),
        ]
        write((isFirst ? "" : ",\n") + JSONText.object(members + more))
        isFirst = false
    }

    /// Ends what is under way, and the file.
    mutating func finish() {
        for place in loops.keys.sorted() {
            guard var loop = loops[place] else { continue }
            stopRunning(&loop, latest)
            for (_, stack) in loop.stacks {
                for open in stack.open.reversed() { emitTrack(open, "e", latest, loop.thread, stack.track) }
            }
            loops[place] = loop
        }
        write("\n]\n")
    }
}
