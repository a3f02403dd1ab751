import CSwiftlet
import Glibc
import SwiftletCoroutines

/// What happens to loops when the process forks. The child has one thread, that which forked; the loops, the pool's threads
/// and the watchdog stayed with the parent. So the child begins anew: its thread has no loop and no coroutines, also if it
/// forked in one, and makes fresh ones when it asks for them. The parent notices nothing.
///
/// Whatever the forked stack returns to belongs to the parent's story: a child should end by `_exit` or `execve`, or go on in a
/// loop of its own, where it was forked.
enum ForkHandling {
    /// Once, when the first loop is made.
    static let installed: Void = {
        _ = pthread_atfork(
            { for pool in [OffloadPool.shared, longForeignWaits] { pool.prepareFork() } },
            { for pool in [OffloadPool.shared, longForeignWaits] { pool.endFork(inChild: false) } },
            {
                for pool in [OffloadPool.shared, longForeignWaits] { pool.endFork(inChild: true) }
                swiftlet_foreign_forget_all()
                EventLoop.forgetSharedLoop()
            })
    }()
}
