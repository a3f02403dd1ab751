import CInterpose
import SwiftletLoop

/// Makes libc's blocking calls cooperative, for the whole process: from now on such a call, made in a fiber or in synchronous
/// code of a task on a loop, parks only its own stack. It may come from C libraries, Foundation or Swift. gevent's
/// `monkey.patch_all`.
///
/// ```swift
/// patchAll()
/// try EventLoop.run {
///     let fibers = connections.map { connection in spawn { PQexec(connection, "SELECT pg_sleep(0.2)") } }
///     try joinAll(fibers)   // 0.2 s, however many
/// }
/// ```
/// To the caller the calls are what they were: flags of descriptors, time limits of sockets, partial results and `errno`.
/// Threads without a loop, a loop's own thread outside fibers and tasks, signal handlers, and what runs during `exit` are
/// not touched at all. The article "Blocking C code" lists what is covered and what is not.
///
/// Call it when you like, and again with other options; what blocks at that moment goes on to block. Calls that are parked
/// stay so when it is taken back by `unpatchAll()`.
///
/// Cancellation: of the fiber, task or scope ends a pending call, and all later ones that would wait, with the error
/// `ECANCELED`. A fiber that was killed throws the killer's error at its next wait in Swift.
///
/// - Parameter options: which families of calls.
/// - Returns: what is covered in this process, name by name, as found by looking at what the dynamic linker has done.
@discardableResult
public func patchAll(_ options: PatchOptions = .all) -> PatchReport {
    let isDynamic = swiftlet_interpose_is_dynamic()
    if isDynamic { swiftlet_interpose_attach(ForeignHost.table, options.rawValue) }
    return PatchReport(options: isDynamic ? options : [])
}

/// Makes the calls what they were before `patchAll`.
public func unpatchAll() { swiftlet_interpose_attach(ForeignHost.table, 0) }

/// The families of calls that are cooperative at present. gevent's `is_module_patched`.
public var patchedFamilies: PatchOptions {
    PatchOptions(rawValue: swiftlet_interpose_families()).intersection(.all)
}
