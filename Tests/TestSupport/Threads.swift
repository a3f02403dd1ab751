public import Glibc

/// Runs the body on a thread of its own and waits for it without holding up the thread that asks: tests share the two
/// threads of Swift's pool, and some of them need that pool.
public func onFreshThread<Value>(_ body: @escaping @Sendable () throws -> sending Value) async throws -> sending Value {
    try await withUnsafeThrowingContinuation { continuation in
        startThread { continuation.resume(with: Result { try body() }) }
    }
}

/// Starts a detached thread. Stacks left on it are unwound at its end, which `onThreadAndEnd` waits for.
public func startThread(_ body: @escaping @Sendable () -> Void) {
    let thread = makeThread(body)
    pthread_detach(thread)
}

/// Runs the body on a thread of its own, and waits for the end of the thread, its destructors included.
public func onThreadAndEnd(_ body: @escaping @Sendable () -> Void) {
    pthread_join(makeThread(body), nil)
}

/// Starts a thread that must be joined.
public func makeThread(_ body: @escaping @Sendable () -> Void) -> pthread_t {
    final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let status = pthread_create(
        &thread, nil,
        { argument in
            Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Start(body)).toOpaque())
    precondition(status == 0, "no thread: \(status)")
    return thread
}

/// CPU time of the calling thread, in nanoseconds.
public func threadCPUTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// How long the calling thread has been ready to run while others had the processor. Zero where the kernel does not tell.
public func processorDelay() -> Duration {
    guard let file = fopen("/proc/thread-self/schedstat", "r") else { return .zero }
    defer { fclose(file) }
    var (worked, waited) = (UInt64(0), UInt64(0))
    let count = withUnsafeMutablePointer(to: &worked) { worked in
        withUnsafeMutablePointer(to: &waited) { waited in withVaList([worked, waited]) { vfscanf(file, "%lu %lu", $0) }
        }
    }
    return count == 2 ? .nanoseconds(Int64(waited)) : .zero
}

/// How long something takes at most that the calling thread does alone. The time in which it was ready to run and others had
/// the processor does not count: so an upper bound holds on a busy machine as it does on an idle one. For lower bounds it is
/// the wrong clock: timers run on meanwhile.
public struct Stopwatch: Sendable {
    private let start = ContinuousClock.now
    private let delay = processorDelay()

    public init() {}

    public var elapsed: Duration { ContinuousClock.now - start - (processorDelay() - delay) }
}

/// Resident memory of the process, in bytes.
public func residentBytes() -> Int { memoryBytes(column: 1) }

/// Address space of the process, in bytes.
public func mappedBytes() -> Int { memoryBytes(column: 0) }

private func memoryBytes(column: Int) -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var buffer = [CChar](repeating: 0, count: 128)
    guard fgets(&buffer, 128, file) != nil else { return 0 }
    let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return (Int(text.split(separator: " ")[column]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
}

/// The numbers of this process's open descriptors.
public func openDescriptors() -> Set<Int> {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    var numbers: Set<Int> = []
    let own = Int(dirfd(directory))
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if let number = Int(name), number != own { numbers.insert(number) }
    }
    return numbers
}
