import Glibc
import SwiftletCoroutines
import Synchronization

/// A variable that each fiber has for itself; outside fibers each thread has one. gevent's `local`.
///
/// ```swift
/// let requestID = FiberLocal<Int?>(default: nil)
/// spawn { requestID.value = 7; handle() }
/// let connection = FiberLocal { try? Connection() }   // one for each fiber that asks
/// ```
///
/// Values are given up when their fiber ends. Tasks see the value of their thread: for them, and for values that should
/// bind for a region only, there are Swift's own task-local values, which work in fibers as well: a fiber begins with those
/// of who spawned it.
public final class FiberLocal<Value>: @unchecked Sendable {
    private let initial: () -> Value
    /// The initial value is made once for each fiber, and kept.
    private let keepsInitial: Bool
    private let name: String?
    private let number = localNumbers.add(1, ordering: .relaxed).newValue

    /// - Parameters:
    ///   - name: how the run info calls it.
    ///   - defaultValue: what is read until a value has been set.
    // Else a trailing closure could be meant as the value.
    @_disfavoredOverload
    public init(name: String? = nil, default defaultValue: Value) {
        self.name = name
        keepsInitial = false
        initial = { defaultValue }
    }

    /// - Parameters:
    ///   - name: how the run info calls it.
    ///   - initial: makes a fiber's value when the fiber first asks. It must not wait.
    public init(name: String? = nil, initial: @escaping @Sendable () -> Value) {
        self.name = name
        keepsInitial = true
        self.initial = initial
    }

    /// The running fiber's value, or the thread's.
    public var value: Value {
        get {
            if let value = current?.entries[number]?.value as? Value { return value }
            let value = initial()
            if keepsInitial { self.value = value }
            return value
        }
        set {
            let entry = LocalValues.Entry(name: name ?? "\(Value.self)", value: newValue)
            if let fiber = AnyFiber.current {
                fiber.makeExtras().locals.entries[number] = entry
            } else {
                ThreadLocals.current.values.entries[number] = entry
            }
        }
    }

    /// A value has been set, and not reset.
    public var isSet: Bool { current?.entries[number] != nil }

    /// Gives up the value: the next reader finds the initial one.
    public func reset() {
        if let fiber = AnyFiber.current {
            unsafe fiber.extras?.locals.entries[number] = nil
        } else {
            ThreadLocals.current.values.entries[number] = nil
        }
    }

    private var current: LocalValues? {
        if let fiber = AnyFiber.current { return unsafe fiber.extras?.locals }
        return ThreadLocals.current.values
    }
}

// Not the object's address, which a later variable may have.
private let localNumbers = Atomic<Int>(0)

/// The values of one fiber or thread, by the variable's number.
struct LocalValues {
    struct Entry {
        let name: String
        let value: Any
    }

    var entries: [Int: Entry] = [:]
}

/// The values of one thread's own stack, freed when the thread ends.
private final class ThreadLocals {
    var values = LocalValues()

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        // Cannot fail before the process has made a thousand keys (PTHREAD_KEYS_MAX).
        unsafe pthread_key_create(&key) { unsafe Unmanaged<ThreadLocals>.fromOpaque($0!).release() }
        return key
    }()

    static var current: ThreadLocals {
        // Safe: the key owns a reference.
        if let existing = unsafe pthread_getspecific(key) {
            return unsafe Unmanaged<ThreadLocals>.fromOpaque(existing).takeUnretainedValue()
        }
        let made = ThreadLocals()
        unsafe pthread_setspecific(key, Unmanaged.passRetained(made).toOpaque())
        return made
    }
}
