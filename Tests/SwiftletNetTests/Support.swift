import CSwiftlet
import Glibc
import Swiftlet
import Synchronization
import Testing

private final class ThreadStart: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
}

/// Runs a closure on a thread of its own, which has no loop, and waits for its end.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        let start = ThreadStart { continuation.resume(with: Result { try body() }) }
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(start).toOpaque())
        precondition(status == 0)
        pthread_detach(thread)
    }
}

/// Runs a closure in a fiber of a fresh loop and checks that the loop switched stacks meanwhile.
func onLoop<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await onThread {
        try EventLoop.run(takesOver: false) {
            let before = try EventLoop.current.statistics.parks
            let value = try body()
            #expect(try EventLoop.current.statistics.parks > before, "nothing parked")
            return value
        }
    }
}

/// Runs a closure in a task of a fresh loop and checks that the loop switched stacks meanwhile.
func onLoopTask<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    try await onThread {
        try EventLoop.run(takesOver: false) {
            let before = try EventLoop.current.statistics.parks
            let value = try await body()
            #expect(try EventLoop.current.statistics.parks > before, "nothing parked")
            return value
        }
    }
}

/// The two ends of a connection over loopback.
func makePair() throws -> (client: TCPConnection, server: TCPConnection) {
    let listener = try TCPListener()
    defer { listener.close() }
    let client = try TCPConnection.connect(to: "127.0.0.1", port: listener.port)
    return (client, try listener.accept())
}

/// Runs the body until it has parked, so that what follows finds it waiting.
func spawnAndPark<Value>(_ body: @escaping () throws -> Value) throws -> Fiber<Value> {
    let fiber = spawn { try body() }
    for _ in 0..<3 { try yield() }
    return fiber
}

/// The error that a call throws.
func failure<Failure: Error>(_ type: Failure.Type, of body: () throws -> some Any) throws -> Failure {
    try #require(#expect(throws: type) { _ = try body() })
}

/// The kernel's names of the sockets behind descriptors, such as `socket:[4711]`. Unlike numbers, they are not reused
/// while tests run side by side.
func socketNames(_ numbers: [CInt]) -> Set<String> {
    var names: Set<String> = []
    for number in numbers {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            let count = readlink("/proc/self/fd/\(number)", buffer.baseAddress!, 255)
            buffer[max(count, 0)] = 0
            return String(cString: buffer.baseAddress!)
        }
        if text.hasPrefix("socket:") { names.insert(text) }
    }
    return names
}

/// Those of the sockets that are still open in this process.
func stillOpen(_ names: Set<String>) -> Set<String> {
    guard let directory = opendir("/proc/self/fd") else { return names }
    defer { closedir(directory) }
    var numbers: [CInt] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if let number = CInt(name) { numbers.append(number) }
    }
    return socketNames(numbers).intersection(names)
}

/// What the hook in the system calls does; it looks only at descriptors that were asked for, as tests run side by side.
enum Faults {
    struct Plan {
        /// Errors to answer with, first to last, before calls go through again.
        var errors: [CInt] = []
        /// The most bytes a call may take. For writing only: a short read means that nothing is left.
        var largest = Int.max
        var calls = 0
    }

    private struct Key: Hashable {
        var call: CInt
        var descriptor: CInt
    }

    private static let plans = Mutex<[Key: Plan]>([:])

    static func plan(_ call: swiftlet_socket_call, _ descriptor: CInt, errors: [CInt] = [], largest: Int = .max) {
        let key = Key(call: CInt(call.rawValue), descriptor: descriptor)
        plans.withLock { $0[key] = Plan(errors: errors, largest: largest) }
        swiftlet_socket_set_fault { Faults.answer(Key(call: $0, descriptor: $1), $2) }
    }

    private static func answer(_ key: Key, _ size: Int) -> Int {
        plans.withLock { plans in
            guard var plan = plans[key] else { return size }
            defer { plans[key] = plan }
            plan.calls += 1
            return plan.errors.isEmpty ? min(size, plan.largest) : -Int(plan.errors.removeFirst())
        }
    }

    static func calls(_ call: swiftlet_socket_call, _ descriptor: CInt) -> Int {
        plans.withLock { $0[Key(call: CInt(call.rawValue), descriptor: descriptor)]?.calls ?? 0 }
    }

    static func end(_ call: swiftlet_socket_call, _ descriptor: CInt) {
        plans.withLock { _ = $0.removeValue(forKey: Key(call: CInt(call.rawValue), descriptor: descriptor)) }
    }
}

/// Collects all reports of the process, once and for good: tests run side by side, so each looks for its own.
enum CollectedReports {
    private static let messages = Mutex<[String]>([])
    private static let isInstalled: Bool = {
        let next = Mutex<(@Sendable (Report) -> Void)?>(nil)
        let earlier = Report.setHandler { report in
            messages.withLock { $0.append(report.message) }
            next.withLock { $0 }?(report)
        }
        next.withLock { $0 = earlier }
        return true
    }()

    static func install() { _ = isInstalled }

    static func count(_ text: String) -> Int { messages.withLock { $0.count { $0.contains(text) } } }
}
