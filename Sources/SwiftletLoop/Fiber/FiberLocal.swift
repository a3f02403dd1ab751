import SwiftletCoroutines

/// A variable that each fiber has for itself. Outside fibers its default is read.
///
/// ```swift
/// let requestID = FiberLocal<Int?>(default: nil)
/// spawn { requestID.value = 7; handle() }
/// ```
///
/// Swift's own task-local values work in fibers as well; they bind for a region, these until changed.
public final class FiberLocal<Value>: @unchecked Sendable {
    private let defaultValue: Value

    public init(default defaultValue: Value) { self.defaultValue = defaultValue }

    /// The running fiber's value. Setting it outside a fiber does nothing.
    public var value: Value {
        get {
            guard let extras = unsafe AnyFiber.current?.extras else { return defaultValue }
            return extras.locals[ObjectIdentifier(self)] as? Value ?? defaultValue
        }
        set { AnyFiber.current?.makeExtras().locals[ObjectIdentifier(self)] = newValue }
    }
}
