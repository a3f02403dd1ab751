import Glibc

/// A value behind a pthread mutex. Not `Synchronization.Mutex`: the thread sanitizer does not understand that one.
///
/// Never hold it across a park: another stack of the thread that wants it would stop the thread for ever.
@safe
package final class Locked<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    // The mutex is what excludes others; the check for exclusive access would cost more than the lock.
    @exclusivity(unchecked) private var value: Value

    package init(_ value: Value) {
        unsafe self.value = value
        unsafe pthread_mutex_init(mutex, nil)
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    package func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try unsafe body(&value)
    }
}

/// A closure that a generic container holds. The closure itself would be wrapped in one thunk more each time that it is handed
/// out `inout` and comes back: memory that grows, and calls that go deeper, with each look at it.
package struct Handler<Input> {
    package let call: (Input) -> Void

    package init(_ call: @escaping (Input) -> Void) { self.call = call }
}

/// The same for one that any thread may call.
package struct SendableHandler<Input>: Sendable {
    package let call: @Sendable (Input) -> Void

    package init(_ call: @escaping @Sendable (Input) -> Void) { self.call = call }
}
