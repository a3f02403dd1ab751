import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// Several loops, each on a thread of its own: one a core by default. Work is placed when it is spawned and stays there.
public final class EventLoopGroup: Sendable {
    /// The loops, all running.
    public let loops: [EventLoop]
    private let next = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)

    /// Starts the loops.
    ///
    /// - Parameter count: how many; by default the processors that this process may use.
    public init(count: Int? = nil) throws {
        var loops: [EventLoop] = []
        do {
            for number in 0..<max(1, count ?? EventLoopGroup.availableProcessors) {
                loops.append(try EventLoop.startOnThread(name: "swiftlet-loop-\(number)"))
            }
        } catch {
            for loop in loops { loop.stop() }
            throw error
        }
        self.loops = loops
    }

    deinit { stop() }

    /// The next loop in turn.
    public var any: EventLoop { loops[next.wrappingAdd(1, ordering: .relaxed).oldValue % loops.count] }

    /// Makes a fiber on the next loop in turn. In a group that was stopped it does not run: its error is `LoopError.closed`.
    @discardableResult
    public func spawn<Value: Sendable>(
        name: String? = nil, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping @Sendable () throws -> Value
    ) -> Fiber<Value> {
        let loop = any
        guard isStopped.load(ordering: .acquiring) else { return loop.spawn(name: name, file: file, line: line, body) }
        // Its thread may not have closed it yet.
        let fiber = unsafe Fiber(body, loop: Unmanaged.passUnretained(loop).toOpaque(), file: file, line: line)
        fiber.finishUnstarted(LoopError.closed)
        return fiber
    }

    /// Ends the loops: their fibers are cancelled. Called by the last release as well.
    public func stop() {
        isStopped.store(true, ordering: .releasing)
        for loop in loops { loop.stop() }
    }

    /// Runs the body with a group that is stopped afterwards.
    public static func with<Value>(count: Int? = nil, _ body: (EventLoopGroup) throws -> Value) throws -> Value {
        let group = try EventLoopGroup(count: count)
        defer { group.stop() }
        return try body(group)
    }

    /// The processors that this process may run on.
    public static var availableProcessors: Int {
        max(1, Int(swiftlet_available_processors()))
    }
}
