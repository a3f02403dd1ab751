import CSwiftlet
public import SwiftletCoroutines

/// A function that runs on a stack of its own, scheduled by an event loop: it parks where it would block, and the thread
/// goes on with the others. gevent's Greenlet.
///
/// ```swift
/// let fibers = urls.map { url in spawn { try HTTP.get(url).text } }
/// try joinAll(fibers)
/// ```
@safe
public final class Fiber<Value>: AnyFiber, @unchecked Sendable {
    enum Content {
        case body(() throws -> Value)
        case running
        case success(Value)
        case failure(any Error)
    }

    @exclusivity(unchecked) var content: Content

    init(_ body: @escaping () throws -> Value, loop: EventLoop, file: StaticString, line: UInt32) {
        unsafe content = .body(body)
        super.init(loop: loop, file: file, line: line)
    }

    deinit {
        guard case .failure(let error) = unsafe content, unsafe !isObserved, !(error is CancellationError), !(error is GreenletExit)
        else { return }
        Report(
            .unretrievedError,
            "\(self) failed and nobody asked: \(error). Join it, read its error, or catch inside it."
        ).post()
    }

    override func execute() {
        guard case .body(let body) = unsafe content else { return }
        unsafe content = .running
        do {
            unsafe content = .success(try body())
        } catch {
            unsafe content = .failure(error)
        }
    }

    override func finishUnstarted(_ reason: any Error) {
        unsafe content = .failure(reason)
        makeExtras().neverRan = true
        finished()
    }

    /// What the body returned; `nil` before its end and after a failure.
    public var value: Value? {
        if case .success(let value) = unsafe content { return value }
        return nil
    }

    public override var error: (any Error)? {
        unsafe isObserved = true
        if case .failure(let error) = unsafe content { return error }
        return nil
    }

    public override var isSuccessful: Bool {
        if case .success = unsafe content { return true }
        return false
    }

    /// Waits for the end and returns what the body returned.
    ///
    /// Cancellation: ends the wait, not the fiber.
    /// - Throws: the body's error; `DeadlineExceeded` after `timeout`.
    @discardableResult
    public func get(timeout: Duration? = nil) throws -> Value {
        guard try joinBlocking(until: timeout.map { .after($0) }) else { throw DeadlineExceeded() }
        return try outcome()
    }

    /// Waits for the end and returns what the body returned, from a task.
    ///
    /// Cancellation: ends the wait, not the fiber.
    @discardableResult
    @concurrent
    public func get(timeout: Duration? = nil) async throws -> Value where Value: Sendable {
        guard try await join(timeout: timeout) else { throw DeadlineExceeded() }
        return try outcome()
    }

    func outcome() throws -> Value {
        unsafe isObserved = true
        switch unsafe content {
        case .success(let value): return value
        case .failure(let error): throw error
        case .body, .running: throw LoopError.closed  // its loop was closed around it
        }
    }
}

/// Makes a fiber that runs the body soon, on the loop of the calling thread.
///
/// Nothing of the body runs before the caller waits for something or ends.
/// - Parameters:
///   - name: how reports call it.
///   - delay: how long to wait before it starts.
///   - stackSize: bytes of address space for its stack; memory is used only as touched.
///   - body: plain synchronous code.
/// - Returns: the fiber. Its error is reported if nobody ever looks at it.
@discardableResult
public func spawn<Value>(
    name: String? = nil, after delay: Duration? = nil, stackSize: Int = StackSize.default,
    file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Value
) -> Fiber<Value> {
    let fiber = Fiber(body, loop: loopForSpawning(), file: file, line: line)
    if name != nil || stackSize != StackSize.default {
        let extras = fiber.makeExtras()
        extras.stackSize = stackSize
        if let name { extras.setName(name) }
    }
    unsafe fiber.loop.schedule(fiber, after: delay)
    return fiber
}

extension EventLoop {
    /// Makes a fiber on this loop, from any thread.
    @discardableResult
    public func spawn<Value: Sendable>(
        name: String? = nil, after delay: Duration? = nil, stackSize: Int = StackSize.default,
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping @Sendable () throws -> Value
    ) -> Fiber<Value> {
        let fiber = Fiber(body, loop: self, file: file, line: line)
        if name != nil || stackSize != StackSize.default {
            let extras = fiber.makeExtras()
            extras.stackSize = stackSize
            if let name { extras.setName(name) }
        }
        let isAccepted: Bool
        if isCurrent {
            schedule(fiber, after: delay)
            isAccepted = true
        } else {
            isAccepted = perform { self.schedule(fiber, after: delay) }
        }
        if !isAccepted { fiber.finishUnstarted(LoopError.closed) }
        return fiber
    }

    func schedule(_ fiber: AnyFiber, after delay: Duration?) {
        let item = unsafe UInt64(Unmanaged.passRetained(fiber).toOpaque(), .fiber)
        if let delay {
            unsafe core.pointee.last_wait_id += 1
            unsafe addTimer(at: Deadline.after(delay).nanoseconds, order: core.pointee.last_wait_id, item)
        } else {
            unsafe swiftlet_ring_push(&core.pointee.ready, item)
        }
    }

    /// Runs a fiber on the leader's stack. One that wants another size of stack gets it: then this answers that stack.
    @inline(__always)
    func runFiber(_ fiber: AnyFiber, on context: ContextPointer) -> ContextPointer? {
        unsafe swiftlet_counter_add(&core.pointee.fibers, 1)
        if unsafe fiber.isCancelRequested {
            if !fiber.isFinished { fiber.finishUnstarted(CancellationError()) }
            return nil
        }
        if let extras = unsafe fiber.extras, extras.stackSize != StackSize.default {
            return unsafe ownStack(for: fiber, size: extras.stackSize)
        }
        unsafe run(fiber, on: context)
        return nil
    }

    @inline(__always)
    private func run(_ fiber: AnyFiber, on context: ContextPointer) {
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_FIBER.rawValue)
        unsafe context.pointee.owner = unsafe Unmanaged.passUnretained(fiber).toOpaque()
        unsafe context.pointee.run &+= 1
        if let extras = unsafe fiber.extras { unsafe context.pointee.name = unsafe extras.nameBytes.map { unsafe UnsafePointer($0) } }
        unsafe context.pointee.number = unsafe core.pointee.fibers
        unsafe fiber.state = .running
        unsafe fiber.context = unsafe context
        fiber.execute()
        fiber.finished()
        unsafe context.pointee.kind = UInt8(SWIFTLET_KIND_SCHEDULER.rawValue)
        unsafe context.pointee.owner = nil
        unsafe context.pointee.name = nil
    }

    @inline(never)
    private func ownStack(for fiber: AnyFiber, size: Int) -> ContextPointer? {
        guard let context = unsafe swiftlet_stack_acquire(thread, size) else {
            fiber.finishUnstarted(StackError(size: size, errno: swiftlet_errno()))
            return nil
        }
        let owner = unsafe Unmanaged.passRetained(fiber).toOpaque()
        unsafe swiftlet_context_start(
            context,
            { owner in
                let fiber = unsafe Unmanaged<AnyFiber>.fromOpaque(owner!).takeRetainedValue()
                let loop = unsafe fiber.loop
                unsafe loop.run(fiber, on: loop.thread.pointee.current)
                return unsafe loop.makeLeader()
            }, unsafe owner)
        return unsafe context
    }
}

private func loopForSpawning() -> EventLoop {
    do {
        return try EventLoop.current
    } catch {
        // `spawn` does not throw: it is called thousands of times where this cannot happen. The process is out of
        // descriptors and has no loop: nothing can be scheduled.
        fatalError("\(error)")
    }
}
