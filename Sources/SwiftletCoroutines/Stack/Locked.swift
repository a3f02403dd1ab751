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
