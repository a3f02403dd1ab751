import SwiftletCoroutines

/// Fibers that are waited for or ended together. gevent's `Group`.
///
/// ```swift
/// let group = FiberGroup()
/// for url in urls { group.spawn { print(try HTTP.get(url).text.count) } }
/// try group.join()
/// ```
///
/// Not a scope: it ends nobody by itself, and errors are those of its fibers.
public final class FiberGroup: FiberSet, @unchecked Sendable {
    /// Makes an empty group on the loop of the calling thread.
    public override init() { super.init() }

    /// Makes a fiber in the group.
    @discardableResult
    public func spawn<Value>(
        name: String? = nil, file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping () throws -> Value
    ) -> Fiber<Value> {
        do {
            return try spawnMember(name: name, until: nil, file: file, line: line, body)
        } catch {
            // Only a pool waits. Elsewhere it would touch the memory of the loop's thread.
            fatalError("a group of fibers: \(error)")
        }
    }

    /// Takes in a fiber of the same loop, until it ends.
    ///
    /// - Throws: `FiberSetError.foreignFiber`.
    public func add(_ fiber: AnyFiber) throws { try addMember(fiber, until: nil) }

    /// Takes in a fiber made by `Fiber.init`, and starts it.
    ///
    /// - Throws: `FiberSetError.foreignFiber`.
    public func start(_ fiber: AnyFiber) throws {
        try add(fiber)
        fiber.start()
    }
}
