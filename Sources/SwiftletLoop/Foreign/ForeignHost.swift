package import CSwiftlet
import SwiftletCoroutines

/// What this library is to blocking C code: see `swiftlet_foreign.h`.
package enum ForeignHost {
    /// Never freed and never changed.
    @safe package nonisolated(unsafe) static let table: UnsafePointer<swiftlet_foreign_host> = {
        let table = UnsafeMutablePointer<swiftlet_foreign_host>.allocate(capacity: 1)
        unsafe table.initialize(
            to: swiftlet_foreign_host(
                size: MemoryLayout<swiftlet_foreign_host>.size,
                stack: swiftlet_foreign_stack,
                wait: { unsafe waitForeign($0!) },
                wake: swiftlet_foreign_wake,
                has_waits: swiftlet_foreign_has_waits,
                offload: { work, argument, isLong, isShielded in
                    unsafe offloadForeign(work!, argument, isLong: isLong, isShielded: isShielded)
                },
                context: swiftlet_foreign_context,
                report: { message in
                    unsafe Report(.blockedLoop, String(cString: message!)).post()
                }))
        return unsafe UnsafePointer(table)
    }()

    /// Tells the library that was loaded before the program, if there is one. Once, when the first loop is made.
    static let announcement: Void = unsafe swiftlet_foreign_announce(table)
}

/// For calls that may take for ever, such as waiting for a lock of another process: each needs a thread meanwhile, and must
/// not keep a resolver from running.
let longForeignWaits = OffloadPool(capacity: 512)

@safe
private struct ForeignWork: @unchecked Sendable {
    let work: @convention(c) (UnsafeMutableRawPointer?) -> Void
    let argument: UnsafeMutableRawPointer?
}

private func offloadForeign(
    _ work: @escaping @convention(c) (UnsafeMutableRawPointer?) -> Void, _ argument: UnsafeMutableRawPointer?,
    isLong: Bool, isShielded: Bool
) -> CInt {
    let call = unsafe ForeignWork(work: work, argument: argument)
    let done = Waiter<Void>()
    (isLong ? longForeignWaits : OffloadPool.shared).submit {
        unsafe call.work(call.argument)
        done.resume(returning: ())
    }
    do {
        if isShielded {
            _ = try done.wait(.thread, isShielded: true)
        } else {
            // Not taken from whoever throws it in Swift: see ForeignWait.swift.
            let context = unsafe currentThread().pointee.current!
            if unsafe swiftlet_flow_of(context)!.pointee.owner_is_cancelled, unsafe !CancelScope.isShielded(context) {
                return CInt(SWIFTLET_FOREIGN_CANCELLED)
            }
            _ = try done.wait(.thread)
        }
        return CInt(SWIFTLET_FOREIGN_READY)
    } catch {
        return CInt(SWIFTLET_FOREIGN_CANCELLED)
    }
}
