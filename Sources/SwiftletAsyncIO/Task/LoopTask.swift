import CSwiftlet
import SwiftletLoop
import Synchronization

/// A coroutine that a loop runs, and the future of its value. asyncio's Task.
///
/// It begins in the loop's next turn, as a Swift task on that loop, unless it was made eager. The loop keeps it until
/// its end; an error that nobody has looked at by the time the object is freed goes to the loop's exception handler.
///
/// States: those of a future; while pending, also cancelling, once `cancel()` was called. One that is cancelled before
/// its first turn never runs.
public final class LoopTask<Value: Sendable>: Future<Value>, AnyLoopTask, TaskInternals, @unchecked Sendable {
    /// What it runs.
    public let coroutine: Coroutine<Value>
    let number = taskNumbers.add(1, ordering: .relaxed).newValue
    private var givenName: String?
    private let requests = Atomic<Int>(0)
    @exclusivity(unchecked) private var runner: Task<Void, Never>?
    @exclusivity(unchecked) private var runnerIdentity: UInt = 0
    /// The future that it waits for at present.
    @exclusivity(unchecked) var awaited: AnyFuture?

    init(_ coroutine: Coroutine<Value>, name: String?, on loop: EventLoop) {
        self.coroutine = coroutine
        givenName = name
        super.init(on: loop)
    }

    /// The task that the caller runs in, also from its child tasks. `nil` in fibers, also in those that it has spawned.
    public static var current: (any AnyLoopTask)? { swiftlet_current_task() == nil ? nil : CurrentTask.value }

    public var name: String {
        get { givenName ?? "Task-\(number)" }
        set { givenName = newValue }
    }

    public var cancelRequests: Int { requests.load(ordering: .acquiring) }

    @discardableResult
    public func uncancel() -> Int {
        let left = requests.subtract(1, ordering: .acquiringAndReleasing).newValue
        if left >= 0 { return left }
        requests.add(1, ordering: .acquiringAndReleasing)
        return 0
    }

    // MARK: Running

    func start(eagerly: Bool = false) {
        let state = loop.asyncState
        state.tasks[ObjectIdentifier(self)] = self
        // Bound here, where the task is made, which copies it: binding in the task itself would cost it two more turns.
        let made = CurrentTask.$value.withValue(self) {
            eagerly ? loop.makeTaskAtOnce { await self.run() } : loop.makeTask { await self.run() }
        }
        if isDone { return }
        runner = made
        // It may have been cancelled while it began at once.
        if cancelRequests > 0 { made.cancel() }
    }

    private func run() async {
        runnerIdentity = AnyCoroutine.currentRunner
        if cancelRequests > 0 {
            coroutine.discard()
            finish(.cancelled)
        } else {
            do {
                succeed(try await coroutine.run())
            } catch is CancellationError {
                finish(.cancelled)
            } catch {
                fail(error)
            }
        }
        runner = nil
        loop.asyncState.tasks[ObjectIdentifier(self)] = nil
    }

    override func requestCancel() {
        requests.add(1, ordering: .acquiringAndReleasing)
        runner?.cancel()
    }

    override var isSettable: Bool { false }

    func isRunBy(_ runner: UInt) -> Bool { runner != 0 && runner == runnerIdentity }

    // MARK: Describing

    var coroutineInTask: String { coroutine.stateInTask }

    override var kindName: String { "Task" }

    override var stateWords: String { isDone || cancelRequests == 0 ? super.stateWords : "cancelling" }

    override var details: [String] {
        var words = ["name='\(name)'", "coro=\(coroutine.stateInTask)"]
        if !isDone, loop.isCurrent, let awaited {
            // Without what that one waits for: they may wait for each other.
            words.append("wait_for=\(awaited.describe([]))")
        }
        return words
    }
}

private let taskNumbers = Atomic<Int>(0)
