import Glibc

/// A plain thread of the operating system: what programs without coroutines use to wait for many things.
final class BlockingThread {
    private final class Work {
        let body: () throws -> Void
        var error: (any Error)?

        init(_ body: @escaping () throws -> Void) { self.body = body }
    }

    private var thread = pthread_t()
    private let work: Work

    init(_ body: @escaping @Sendable () throws -> Void) throws(Failure) {
        work = Work(body)
        // The thread has a reference of its own: who has started it may have gone before it begins.
        let reference = Unmanaged.passRetained(work)
        let status = pthread_create(
            &thread, nil,
            { work in
                let work = Unmanaged<Work>.fromOpaque(work!).takeRetainedValue()
                do {
                    try work.body()
                } catch {
                    work.error = error
                }
                return nil
            }, reference.toOpaque())
        guard status == 0 else {
            reference.release()
            throw .system("cannot start a thread: \(String(cString: strerror(status))); ask for fewer requests")
        }
    }

    /// Waits for its end; throws what its body threw.
    func join() throws {
        pthread_join(thread, nil)
        if let error = work.error { throw error }
    }
}
