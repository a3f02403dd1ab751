/// Python's way of saying that an iterator has nothing more. Swift's iterators answer `nil`, and a generator's value is
/// its `outcome`, so only code that follows Python throws it.
///
/// Whoever resumes a generator or awaits a coroutine would take it for the normal end: leaving such a body it becomes an
/// error of its own, `raisedStopIteration`.
public struct StopIteration: Error, CustomStringConvertible {
    /// What the iterator returned at its end.
    public let value: (any Sendable)?

    public init(_ value: (any Sendable)? = nil) { self.value = value }

    public var description: String { value.map { "StopIteration(\($0))" } ?? "StopIteration" }
}
