import CSwiftlet
import Glibc
import SwiftletCoroutines

/// Waiting on a thread that runs no loop: a real block.
@safe
final class ThreadHome: WaitHome, @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    // Under the mutex. The context's own fields stay untouched here: another thread may decide.
    private var pending: UInt64 = 0
    private var outcome = WaitOutcome.woken
    private var last: UInt64 = 0

    init() {
        super.init(isLoop: false)
        unsafe pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe pthread_cond_destroy(condition)
        unsafe mutex.deallocate()
        unsafe condition.deallocate()
    }

    func begin(_ context: ContextPointer) -> WaitToken {
        unsafe pthread_mutex_lock(mutex)
        last += 1
        pending = last
        let id = last
        unsafe pthread_mutex_unlock(mutex)
        unsafe context.pointee.wait_id = id
        return unsafe WaitToken(context: context, id: id, home: self)
    }

    func block(_ token: WaitToken, until limit: UInt64) -> WaitOutcome {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        let scope = unsafe token.context.pointee.wait_is_shielded
            ? nil : CancelScope.innermost(of: flowOfControl(token.context))
        while pending == token.id {
            if let scope, scope.isCancelledFromHere {
                pending = 0
                outcome = .cancelled
            } else if limit == .max {
                unsafe pthread_cond_wait(condition, mutex)
            } else {
                var time = timespec(tv_sec: Int(limit / 1_000_000_000), tv_nsec: Int(limit % 1_000_000_000))
                if unsafe pthread_cond_timedwait(condition, mutex, &time) == ETIMEDOUT, pending == token.id {
                    pending = 0
                    outcome = .timedOut
                }
            }
        }
        return outcome
    }

    /// A scope of this thread was cancelled by another.
    func lookAgain() {
        unsafe pthread_mutex_lock(mutex)
        unsafe pthread_cond_signal(condition)
        unsafe pthread_mutex_unlock(mutex)
    }

    override func decide(_ context: ContextPointer, _ id: UInt64, _ outcome: WaitOutcome) -> Bool {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        guard pending == id else { return false }
        pending = 0
        self.outcome = outcome
        unsafe pthread_cond_signal(condition)
        return true
    }
}

extension WaitHome {
    @inline(__always)
    func beginWait(_ context: ContextPointer) -> WaitToken {
        if isLoop { return unsafe unsafeDowncast(self, to: EventLoop.self).begin(context) }
        return unsafe unsafeDowncast(self, to: ThreadHome.self).begin(context)
    }

    @inline(__always)
    func wait(_ token: WaitToken, until limit: UInt64) -> WaitOutcome {
        if isLoop { return unsafe unsafeDowncast(self, to: EventLoop.self).parkUntilDecided(token, until: limit) }
        return unsafe unsafeDowncast(self, to: ThreadHome.self).block(token, until: limit)
    }
}

extension ThreadPointer {
    /// Where waits of this thread are delivered: its loop, or its blocking home.
    var home: WaitHome {
        if let loop = unsafe pointee.loop { return unsafe Unmanaged<EventLoop>.fromOpaque(loop).takeUnretainedValue() }
        if let blocking = unsafe pointee.blocking {
            return unsafe Unmanaged<ThreadHome>.fromOpaque(blocking).takeUnretainedValue()
        }
        let made = ThreadHome()
        unsafe pointee.blocking = unsafe Unmanaged.passRetained(made).toOpaque()
        unsafe pointee.release_blocking = { unsafe Unmanaged<ThreadHome>.fromOpaque($0!).release() }
        return made
    }
}
