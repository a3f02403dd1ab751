import CSwiftlet
import SwiftletCoroutines

/// What `unlink` takes to take a link back.
public struct LinkToken: Hashable, Sendable {
    fileprivate let number: Int

    /// Of a link that was called at once.
    static let spent = LinkToken(number: -1)
}

extension AnyFiber {
    /// Runs the body when the fiber has ended, in a fiber of its own, in the order of the links. An error it throws is
    /// reported. gevent's `link`.
    ///
    /// Thread rules: on the fiber's own loop.
    /// - Returns: what `unlink` takes.
    @discardableResult
    public final func link(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping (AnyFiber) throws -> Void
    ) -> LinkToken {
        rawLink { fiber in
            spawn(file: file, line: line) { LinkList.call(body, with: fiber) }
        }
    }

    /// Calls the body when the fiber has ended, at once and before whoever joined it goes on. It must not wait. An error it
    /// throws is reported. gevent's `rawlink`.
    ///
    /// Thread rules: on the fiber's own loop.
    /// - Returns: what `unlink` takes.
    @discardableResult
    public final func rawLink(_ body: @escaping (AnyFiber) throws -> Void) -> LinkToken {
        loop.requireCurrent("a link of \(self)")
        let extras = makeExtras()
        let link = extras.addLink(body)
        if unsafe state == .finished { loop.submit(ClosureCallback { extras.callLinks(with: self) }.item) }
        return link
    }

    /// Runs the body with the fiber's error when it has failed, in a fiber of its own. The error counts as looked at then.
    /// Not for a killed one. gevent's `link_exception`.
    ///
    /// Thread rules: on the fiber's own loop.
    @discardableResult
    public final func linkError(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping (any Error) throws -> Void
    ) -> LinkToken {
        rawLink { fiber in
            guard unsafe fiber.failure != nil, let error = fiber.error else { return }
            spawn(file: file, line: line) { LinkList<any Error>.call(body, with: error) }
        }
    }

    /// Takes a link back; one that has been called already is gone anyway.
    public final func unlink(_ link: LinkToken) { unsafe _ = extras?.links.remove(link) }

    /// Takes all links back.
    public final func unlinkAll() { unsafe extras?.links.removeAll() }
}

extension Fiber {
    /// Runs the body with the fiber's value when it has succeeded, in a fiber of its own. Not for a killed one, which has no
    /// value. gevent's `link_value`.
    ///
    /// Thread rules: on the fiber's own loop.
    @discardableResult
    public func linkValue(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping (Value) throws -> Void
    ) -> LinkToken {
        rawLink { [body] fiber in
            let fiber = unsafe unsafeDowncast(fiber, to: Fiber<Value>.self)
            guard let value = fiber.value else { return }
            spawn(file: file, line: line) { LinkList<Value>.call(body, with: value) }
        }
    }

    /// Passes what the fiber ends with to a result. `g.link(result)` of gevent.
    ///
    /// Thread rules: on the fiber's own loop.
    @discardableResult
    public func link(to result: AsyncResult<Value>) -> LinkToken {
        rawLink { fiber in
            unsafe fiber.isObserved = true
            if let outcome = unsafe unsafeDowncast(fiber, to: Fiber<Value>.self).outcome { result.trySet(outcome) }
        }
    }

    /// How it ended; `nil` before. A killed one ended with `GreenletExit`. Looking at it counts as having noticed.
    public var outcome: Result<Value, any Error>? {
        guard isFinished else { return nil }
        if unsafe isSuccess { return unsafe .success(result.value(as: Value.self)) }
        return .failure(failureToThrow())
    }
}

/// Bodies to call once, in the order in which they were added.
struct LinkList<Source> {
    // The link with number n lies at n - base; those before `head` have been called.
    private var bodies: [((Source) throws -> Void)?] = []
    private var base = 0
    private var head = 0

    mutating func add(_ body: @escaping (Source) throws -> Void) -> LinkToken {
        bodies.append(body)
        return LinkToken(number: base + bodies.count - 1)
    }

    /// Answers the body if it has not been called or removed.
    @discardableResult
    mutating func remove(_ link: LinkToken) -> ((Source) throws -> Void)? {
        let index = link.number - base
        guard index >= head, index < bodies.count else { return nil }
        defer { bodies[index] = nil }
        return bodies[index]
    }

    mutating func removeAll() {
        base += bodies.count
        bodies = []
        head = 0
    }

    /// The next one to call.
    mutating func next() -> ((Source) throws -> Void)? {
        while head < bodies.count {
            defer {
                bodies[head] = nil
                head += 1
            }
            if let body = bodies[head] { return body }
        }
        removeAll()
        return nil
    }

    static func call(_ body: (Source) throws -> Void, with source: Source) {
        do {
            try body(source)
        } catch {
            Report(.unretrievedError, "a link of \(source) threw \(error)").post()
        }
    }
}

extension FiberExtras {
    /// One by one: a link may remove a later one.
    func callLinks(with fiber: AnyFiber) {
        while let body = links.next() { LinkList.call(body, with: fiber) }
    }
}

extension EventLoop {
    /// For what would touch another thread's memory.
    func requireCurrent(_ what: @autoclosure () -> String) {
        precondition(isCurrent, "\(what()) belongs to the thread of its loop, while that is open: use loop.perform { }")
    }
}
