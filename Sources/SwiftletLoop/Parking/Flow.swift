public import CSwiftlet
public import SwiftletCoroutines

/// Who runs: a fiber, a greenlet, a Swift task wherever its code runs, or a plain thread. Tells the owners of locks apart.
///
/// A generator is one flow of control with whoever resumes it. It identifies only while its bearer lives: a later one may
/// look the same as one that has ended.
@safe
@usableFromInline
struct Flow: Hashable, Sendable {
    /// The task, or the stack that the others keep for their lives.
    @usableFromInline let bearer: UInt
    /// Counts what has run on that stack.
    @usableFromInline let run: UInt64

    @inlinable
    init(bearer: UInt, run: UInt64) {
        self.bearer = bearer
        self.run = run
    }

    @inlinable static var nobody: Flow { Flow(bearer: 0, run: 0) }

    @inlinable
    static var current: Flow {
        @inline(__always)
        get {
            let thread = unsafe currentThread()
            let context = unsafe swiftlet_greenlet_stack_of(thread.pointee.current)!
            let kind = unsafe UInt32(context.pointee.kind)
            // A task goes on on other stacks after each suspension; and Swift's pool runs tasks on its threads' own stacks.
            if kind == SWIFTLET_KIND_TASK.rawValue || kind == SWIFTLET_KIND_ROOT.rawValue,
                let task = unsafe swiftlet_task_on(thread)
            {
                return Flow(bearer: UInt(bitPattern: task), run: .max)
            }
            return unsafe Flow(bearer: UInt(bitPattern: context), run: context.pointee.run)
        }
    }

    /// The same where no call is needed to tell: on a fiber's or a greenlet's own stack. Else `nil`.
    @inlinable
    static var ofStack: Flow? {
        @inline(__always)
        get {
            guard let thread = unsafe swiftlet_thread_if_made() else { return nil }
            let context = unsafe thread.pointee.current!
            let kind = unsafe UInt32(context.pointee.kind)
            guard kind == SWIFTLET_KIND_FIBER.rawValue || kind == SWIFTLET_KIND_GREENLET.rawValue else { return nil }
            return unsafe Flow(bearer: UInt(bitPattern: context), run: context.pointee.run)
        }
    }
}
