import SwiftletLoop

/// Something that is awaited step by step: Python's objects with `__await__`. The low-level way to be awaitable; a type
/// whose `value` can be written as an async property conforms to `Awaitable` alone.
public protocol AwaitIterable: Awaitable where Value == Void {
    /// An iterator, of which each element lets the others run once, and whose end is the end of the waiting.
    ///
    /// Anything else than an `IteratorProtocol` is refused with `CoroutineError.notAwaitIterator`.
    func makeAwaitIterator() throws -> Any
}

extension AwaitIterable {
    public var value: Void {
        get async throws {
            let made = try makeAwaitIterator()
            guard var iterator = made as? any IteratorProtocol else {
                throw CoroutineError.notAwaitIterator(type: "\(type(of: made))")
            }
            while iterator.next() != nil {
                try Task.checkCancellation()
                if EventLoop.carrier == nil { await Task.yield() } else { try giveWay() }
            }
        }
    }
}

/// Lets the others run, in a task on a loop. `Task.yield()` would go to its end of the queue by way of another thread.
func giveWay() throws { try yield() }
