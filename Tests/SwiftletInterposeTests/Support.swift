import CInterposeTestSupport
import Glibc
import Swiftlet
import SwiftletInterpose
import TestSupport
import Testing

/// Everything is patched for the whole suite; threads without a loop notice nothing of it.
let report = patchAll()

/// How a call ended: its value, and the error if it failed.
func outcome(_ value: some BinaryInteger) -> String {
    value < 0 ? "\(value) \(errno)" : "\(value)"
}

/// Does something in another thread after a little while, and waits for that thread.
final class Later {
    private let thread: pthread_t

    init(_ milliseconds: UInt32 = 15, _ body: @escaping @Sendable () -> Void) {
        thread = makeThread {
            watch_this_thread(true)
            usleep(milliseconds * 1000)
            body()
        }
    }

    func end() { pthread_join(thread, nil) }
}

func makePipe() -> (reading: CInt, writing: CInt) {
    var ends: [CInt] = [0, 0]
    #expect(pipe(&ends) == 0)
    return (ends[0], ends[1])
}

func makePair(_ type: __socket_type = SOCK_STREAM) -> (CInt, CInt) {
    var ends: [CInt] = [0, 0]
    #expect(socketpair(AF_UNIX, CInt(type.rawValue), 0, &ends) == 0)
    return (ends[0], ends[1])
}

func closeAll(_ numbers: CInt...) {
    for number in numbers { close(number) }
}

/// A listening socket on the loopback address, and its address.
func makeListener(backlog: CInt = 16) -> (CInt, sockaddr_in) {
    let number = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withSocketAddress(&address) { bind(number, $0, size) == 0 ? getsockname(number, $0, &size) : -1 }
    #expect(status == 0)
    #expect(listen(number, backlog) == 0)
    return (number, address)
}

func withSocketAddress<Value>(_ address: inout sockaddr_in, _ body: (UnsafeMutablePointer<sockaddr>) -> Value) -> Value
{
    withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1, body)
    }
}

func connectTo(_ address: sockaddr_in, from number: CInt) -> CInt {
    var address = address
    return withSocketAddress(&address) { connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
}

func makeClient() -> CInt { socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) }

/// A file of this test that is gone when it is closed.
func makeFile(_ bytes: Int) -> CInt {
    var template = Array("/tmp/swiftlet-test-XXXXXX".utf8CString)
    let number = mkstemp(&template)
    unlink(template)
    let content = (0..<bytes).map { UInt8($0 % 251) }
    #expect(write(number, content, bytes) == bytes)
    lseek(number, 0, SEEK_SET)
    return number
}

func milliseconds(_ number: Int) -> timespec { timespec(tv_sec: number / 1000, tv_nsec: number % 1000 * 1_000_000) }

/// Where a piece of code runs: in a fiber and in a task of a loop.
enum Runner: String, CaseIterable, Sendable {
    case fiber
    case task

    /// Runs the body, which must park.
    func run<Value: Sendable>(
        parks: Bool = true, at place: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        _ = report
        switch self {
        case .fiber: return try await onLoop(parks: parks, at: place, body)
        case .task: return try await onTaskLoop(parks: parks, at: place) { _ in try body() }
        }
    }
}

/// Runs several bodies side by side in fibers or tasks of one loop, and waits for all.
func together(_ runner: Runner, _ bodies: [@Sendable () throws -> Void]) async throws {
    _ = report
    switch runner {
    case .fiber:
        try await onLoop {
            let fibers = bodies.map { body in spawn { try body() } }
            try joinAll(fibers, rethrowing: true)
        }
    case .task:
        try await onTaskLoop { loop in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for body in bodies { group.addTask(executorPreference: loop.taskExecutor) { try body() } }
                try await group.waitForAll()
            }
        }
    }
}
