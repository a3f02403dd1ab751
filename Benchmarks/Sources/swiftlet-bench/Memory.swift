import Glibc
import Swiftlet

/// Resident memory of one sleeping coroutine of many.
func measureMemory(count: Int, _ kind: Kind) throws {
    try EventLoop.run {
        try EventLoop.current.configuration.slowTurnLimit = nil  // all are spawned in one turn
        // One of its kind first, so that what a process pays once is not counted: code pages, tables.
        switch kind {
        case .fiber: try spawn { try sleep(.milliseconds(1)) }.get()
        case .task: try blockOn { try await Task { try await sleep(.milliseconds(1)) }.value }
        }
        let started = Started()
        let before = residentBytes()
        let elapsed = try ContinuousClock().measure {
            for _ in 0..<count {
                switch kind {
                case .fiber:
                    spawn {
                        started.count += 1
                        try sleep(.seconds(3600))
                    }
                case .task:
                    Task {
                        started.count += 1
                        try await sleep(.seconds(3600))
                    }
                }
            }
            while started.count < count { try sleep(.milliseconds(10)) }
        }
        let after = residentBytes()
        emit(
            "memory", kind.peer, count: count, value: Double(after - before) / Double(count), unit: "B/coroutine",
            more: [
                "rss_mb": Double(after) / 1e6, "base_mb": Double(before) / 1e6, "start_s": elapsed.seconds,
            ])
        _exit(0)  // they sleep on; unwinding a million of them is another workload
    }
}

/// Only the loop's thread touches it.
private final class Started: @unchecked Sendable { var count = 0 }
