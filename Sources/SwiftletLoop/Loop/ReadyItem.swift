import CSwiftlet
import SwiftletCoroutines

/// What the ready queue and the timers hold: one word, a pointer with a tag in its low bits; see swiftlet_wait.h.
/// Everything pointed to is aligned to 16 bytes.
@usableFromInline
enum ReadyTag: UInt64 {
    case job = 0
    case isolatedJob = 1
    case stack = 2
    case fiber = 3
    case callback = 4
    case decision = 5
    case timeout = 6
    case sleep = 7
    case plainJob = 8
}

extension UInt64 {
    static let tagMask: UInt64 = 15
    static let tagWidth: UInt64 = 4

    @inlinable
    @inline(__always)
    init(_ pointer: UnsafeMutableRawPointer, _ tag: ReadyTag) {
        self = UInt64(UInt(bitPattern: pointer)) | tag.rawValue
    }

    @inline(__always)
    // Safe: a tag lies in the low bits of every item, and the cases are numbered from zero without a gap. The initializer
    // by raw value would be a call at each turn of the loop.
    var tag: ReadyTag { unsafe unsafeBitCast(UInt8(truncatingIfNeeded: self & Self.tagMask), to: ReadyTag.self) }

    @inline(__always)
    var pointer: UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(self & ~Self.tagMask)).unsafelyUnwrapped
    }
}

/// Something that the loop calls: from the ready queue, or when its time has come.
class Callback {
    func run() { fatalError("Callback.run is abstract") }

    /// It is still among the timers, but its time no longer matters.
    var isObsolete: Bool { false }

    /// It is a scheduled call, whose object may serve another one.
    var isReusable: Bool { false }

    /// A queue item that owns a reference.
    var item: UInt64 { unsafe UInt64(Unmanaged.passRetained(self).toOpaque(), .callback) }
}

/// A closure that the loop calls.
final class ClosureCallback: Callback {
    private let body: () -> Void

    init(_ body: @escaping () -> Void) { self.body = body }

    override func run() { body() }
}
