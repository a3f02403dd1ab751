import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// A look at everything that runs in this process: what `SwiftletInspect` shows.
package enum Inspection {
    private static let layout = Locked<FiberLayout??>(nil)

    /// Once, when the first loop is made.
    static let asEnvironmentAsks: Void = {
        guard swiftlet_inspect_as_asked() != 0 else { return }
        Report(
            .inspection,
            """
            SWIFTLET_INSPECT is set, but this program is not linked with SwiftletInspect: add that product of the package to \
            the target's dependencies and import it.
            """
        ).post()
    }()

    /// Finds out what looking needs, on the inspector's thread.
    package static func prepare() { TaskLayout.find() }

    /// Looks, on a thread that runs neither loops nor tasks: it takes its time. One at a time.
    ///
    /// - Parameter stacks: whether to find out where each coroutine waits.
    /// - Returns: `nil` when fibers cannot be read from outside in this build.
    package static func look(stacks: Bool) -> InspectedProcess? {
        let loops = EventLoop.all
        guard let first = loops.first else { return InspectedProcess() }
        let found = layout.withLock { layout in
            if layout == nil { layout = .some(FiberLayout.find(on: first)) }
            return layout ?? nil
        }
        guard let found else { return nil }
        return InspectionReader(loops: loops, layout: found, stacks: stacks).read()
    }

    /// Parts of the program that tell numbers about themselves, such as pools of connections.
    private static let sources = Locked<[ObjectIdentifier: @Sendable () -> [(String, String)]]>([:])

    /// Lets an object tell numbers until it calls `forget`. They are asked for on the inspector's thread.
    package static func register(_ object: AnyObject, _ metrics: @escaping @Sendable () -> [(String, String)]) {
        sources.withLock { $0[ObjectIdentifier(object)] = metrics }
    }

    package static func forget(_ object: AnyObject) {
        sources.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(object)) }
    }

    /// What all of them tell.
    package static var metrics: [(String, String)] {
        let pools = [("thread pool", OffloadPool.shared), ("long foreign waits", longForeignWaits)]
        let counts = pools.flatMap { name, pool in
            let depth = pool.depth
            return [
                ("\(name): threads", "\(depth.threads) of \(depth.capacity), \(depth.idle) idle"),
                ("\(name): queued", "\(depth.queued)"),
            ]
        }
        return counts + sources.withLock { Array($0.values) }.flatMap { $0() }
    }

    /// A text of the program at an address.
    package static func text(at address: UInt) -> String? { peekText(address) }

    /// The function at an address of this process.
    package static func name(of address: UInt) -> String {
        unsafe describeAddress(UnsafeMutableRawPointer(bitPattern: address))
    }
}

extension EventLoop {
    /// All open loops, in the order of their threads.
    package static var all: [EventLoop] { Watchdog.shared.loops }

    /// Where its table of sleeping tasks lies; only looked at by `peek`.
    var sleepTableAddress: UInt { unsafe withUnsafeMutablePointer(to: &sleeps) { UInt(bitPattern: $0) } }

    /// The kernel's number of its thread.
    package var kernelThreadNumber: Int { unsafe Int(thread.pointee.kernel_id) }
}
