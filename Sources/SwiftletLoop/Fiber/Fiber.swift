public import CSwiftlet
public import SwiftletCoroutines

/// A function that runs on a stack of its own, scheduled by an event loop: it parks where it would block, and the thread
/// goes on with the others. gevent's Greenlet.
///
/// ```swift
/// let fibers = urls.map { url in spawn { try HTTP.get(url).text } }
/// try joinAll(fibers)
/// ```
///
/// All state is in `AnyFiber`; what depends on `Value` is inlinable, so that the caller's compiler makes it concrete.
/// Through unspecialized generics spawning would cost four times as much.
@safe
public final class Fiber<Value>: AnyFiber, @unchecked Sendable {
    /// Gone once it has begun.
    @usableFromInline @exclusivity(unchecked) var body: (() throws -> Value)?

    @inlinable
    init(_ body: @escaping () throws -> Value, loop: UnsafeMutableRawPointer, file: StaticString, line: UInt32) {
        unsafe self.body = body
        // Captures nothing, so that no closure is allocated for it.
        unsafe super.init(
            { fiber in
                let fiber = unsafe unsafeDowncast(fiber, to: Fiber<Value>.self)
                do {
                    unsafe fiber.result = ErasedValue(try fiber.body.take().unsafelyUnwrapped())
                    unsafe fiber.isSuccess = true
                } catch {
                    unsafe fiber.failure = error
                }
            }, loop: unsafe loop, file: file, line: line)
    }

    override func forgetBody() { unsafe body = nil }

    /// What the body returned; `nil` before its end and after a failure.
    @inlinable
    public var value: Value? { unsafe isFinished && isSuccess ? result.value(as: Value.self) : nil }

    /// Waits for the end and returns what the body returned.
    ///
    /// Cancellation: ends the wait, not the fiber.
    /// - Throws: the body's error; `DeadlineExceeded` after `timeout`.
    @inlinable
    @discardableResult
    public func get(timeout: Duration? = nil) throws -> Value {
        if !isFinishedHere {
            guard try joinBlocking(until: timeout.map { .after($0) }) else { throw DeadlineExceeded() }
        }
        if unsafe isSuccess { return unsafe result.value(as: Value.self) }
        throw failureToThrow()
    }

    /// Waits for the end and returns what the body returned, from a task.
    ///
    /// Cancellation: ends the wait, not the fiber.
    @discardableResult
    public func get(timeout: Duration? = nil) async throws -> Value where Value: Sendable {
        guard try await joinFromTask(until: timeout.map { .after($0) }) else { throw DeadlineExceeded() }
        if unsafe isSuccess { return unsafe result.value(as: Value.self) }
        throw failureToThrow()
    }
}

/// Makes a fiber that runs the body soon, on the loop of the calling thread.
///
/// Nothing of the body runs before the caller waits for something or ends.
/// - Parameters:
///   - name: how reports call it.
///   - delay: how long to wait before it starts.
///   - stackSize: bytes of address space for its stack; memory is used only as touched.
///   - file: where it is spawned, for reports.
///   - line: the same.
///   - body: plain synchronous code.
/// - Returns: the fiber. Its error is reported if nobody ever looks at it.
@inlinable
@discardableResult
public func spawn<Value>(
    name: String? = nil, after delay: Duration? = nil, stackSize: Int = StackSize.default,
    file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Value
) -> Fiber<Value> {
    let thread = unsafe swiftlet_thread_if_made()
    let loop = unsafe thread?.pointee.loop ?? loopForSpawning()
    let core = unsafe currentThread().pointee.core
    let fiber = unsafe Fiber(body, loop: loop, file: file, line: line)
    if name == nil, delay == nil, stackSize == StackSize.default {
        unsafe swiftlet_ring_push(swiftlet_ready_ring(core), fiber.retainedItem)
    } else {
        fiber.loop.schedule(fiber, name: name, after: delay, stackSize: stackSize)
    }
    return fiber
}

@usableFromInline
@inline(never)
func loopForSpawning() -> UnsafeMutableRawPointer {
    if unsafe swiftlet_current_task() != nil {
        Report(
            .shortage,
            """
            spawn in a task that runs in Swift's own pool: the fiber runs only when this very thread waits in synchronous \
            code. Call it inside EventLoop.run { }, or on a loop: loop.spawn { }.
            """
        ).post()
    }
    do {
        return unsafe Unmanaged.passUnretained(try EventLoop.current).toOpaque()
    } catch {
        // `spawn` does not throw: it is called thousands of times where this cannot happen. The process is out of
        // descriptors and has no loop: nothing can be scheduled.
        fatalError("\(error)")
    }
}

extension EventLoop {
    /// Makes a fiber on this loop, from any thread.
    @inlinable
    @discardableResult
    public func spawn<Value: Sendable>(
        name: String? = nil, after delay: Duration? = nil, stackSize: Int = StackSize.default,
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping @Sendable () throws -> Value
    ) -> Fiber<Value> {
        let fiber = unsafe Fiber(body, loop: Unmanaged.passUnretained(self).toOpaque(), file: file, line: line)
        schedule(fiber, name: name, after: delay, stackSize: stackSize)
        return fiber
    }
}
