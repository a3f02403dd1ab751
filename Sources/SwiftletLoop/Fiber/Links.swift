import CSwiftlet
import SwiftletCoroutines
import Synchronization

/// What `unlink` takes to take a link back.
public struct LinkToken: Hashable, Comparable, Sendable {
    private static let last = Atomic<Int>(0)
    private let number: Int

    /// Known before the source has heard of the link, whose thread may be another.
    init() { number = LinkToken.last.wrappingAdd(1, ordering: .relaxed).newValue }

    public static func < (left: LinkToken, right: LinkToken) -> Bool { left.number < right.number }
}

extension AnyFiber {
    /// Runs the body when the fiber has ended, in a fiber of its own, in the order of the links. An error it throws is
    /// reported. gevent's `link`.
    ///
    /// From another thread it is added in one of the loop's next turns; if the loop is closed, the caller runs it at once.
    /// - Returns: what `unlink` takes.
    @discardableResult
    public final func link(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping (AnyFiber) throws -> Void
    ) -> LinkToken {
        rawLink { fiber in
            fiber.runLink(file, line) { LinkList.call(body, with: fiber) }
        }
    }

    /// Calls the body when the fiber has ended, at once and before whoever joined it goes on. It must not wait. An error it
    /// throws is reported. gevent's `rawlink`.
    ///
    /// From another thread it is added in one of the loop's next turns; if the loop is closed, the caller runs it at once.
    /// - Returns: what `unlink` takes.
    @discardableResult
    public final func rawLink(_ body: @escaping (AnyFiber) throws -> Void) -> LinkToken {
        let link = LinkToken()
        if loop.isCurrent {
            let extras = makeExtras()
            extras.links.add(link, body)
            if state == .finished { loop.submit(ClosureCallback { extras.callLinks(with: self) }.item) }
            return link
        }
        // Safe: the closure goes to the loop's thread and stays there.
        nonisolated(unsafe) let body = body
        let accepted = loop.perform {
            let extras = self.makeExtras()
            unsafe extras.links.add(link, body)
            if self.state == .finished { extras.callLinks(with: self) }
        }
        if !accepted { unsafe LinkList.call(body, with: self) }
        return link
    }

    /// A link may wait, so it gets a fiber; where the loop has gone, it runs at once.
    fileprivate final func runLink(_ file: StaticString, _ line: UInt32, _ body: @escaping () -> Void) {
        if loop.isCurrent { spawn(file: file, line: line, body) } else { body() }
    }

    /// Runs the body with the fiber's error when it has failed, in a fiber of its own. The error counts as looked at then.
    /// Not for a killed one. gevent's `link_exception`.
    ///
    /// From another thread it is added in one of the loop's next turns; if the loop is closed, the caller runs it at once.
    @discardableResult
    public final func linkError(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping (any Error) throws -> Void
    ) -> LinkToken {
        rawLink { fiber in
            guard unsafe fiber.failure != nil, let error = fiber.error else { return }
            fiber.runLink(file, line) { LinkList<any Error>.call(body, with: error) }
        }
    }

    /// Takes a link back; one that has been called already is gone anyway. From another thread it takes effect in one of
    /// the loop's next turns.
    public final func unlink(_ link: LinkToken) {
        if loop.isCurrent {
            unsafe _ = extras?.links.remove(link)
        } else {
            loop.perform { unsafe _ = self.extras?.links.remove(link) }
        }
    }

    /// Takes all links back. From another thread: as `unlink`.
    public final func unlinkAll() {
        if loop.isCurrent {
            unsafe extras?.links.removeAll()
        } else {
            loop.perform { unsafe self.extras?.links.removeAll() }
        }
    }

    /// Links that have not been called; on the loop's thread.
    package final var linkCount: Int { unsafe extras?.links.count ?? 0 }
}

extension Fiber {
    /// Runs the body with the fiber's value when it has succeeded, in a fiber of its own. Not for a killed one, which has no
    /// value. gevent's `link_value`.
    ///
    /// From another thread it is added in one of the loop's next turns; if the loop is closed, the caller runs it at once.
    @discardableResult
    public func linkValue(
        file: StaticString = #fileID, line: UInt32 = #line, _ body: @escaping (Value) throws -> Void
    ) -> LinkToken {
        rawLink { [body] fiber in
            let fiber = unsafe unsafeDowncast(fiber, to: Fiber<Value>.self)
            guard let value = fiber.value else { return }
            fiber.runLink(file, line) { LinkList<Value>.call(body, with: value) }
        }
    }

    /// Passes what the fiber ends with to a result. `g.link(result)` of gevent.
    ///
    /// From another thread it is added in one of the loop's next turns; if the loop is closed, the caller runs it at once.
    @discardableResult
    public func link(to result: AsyncResult<Value>) -> LinkToken {
        rawLink { fiber in
            fiber.isObserved = true
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
    private var links: [(token: LinkToken, body: ((Source) throws -> Void)?)] = []
    /// Those before it have been called.
    private var head = 0
    private(set) var count = 0
    /// The tokens come in the order of their numbers, but for races of several threads.
    private var isSorted = true

    mutating func add(_ token: LinkToken, _ body: @escaping (Source) throws -> Void) {
        if let last = links.last, token < last.token { isSorted = false }
        links.append((token, body))
        count += 1
    }

    /// Answers the body if it has not been called or removed.
    @discardableResult
    mutating func remove(_ token: LinkToken) -> ((Source) throws -> Void)? {
        guard let index = index(of: token), index >= head, let body = links[index].body else { return nil }
        count -= 1
        links[index].body = nil
        if count == 0 { removeAll() }
        return body
    }

    private func index(of token: LinkToken) -> Int? {
        guard isSorted else { return links.firstIndex { $0.token == token } }
        var (low, high) = (0, links.count)
        while low < high {
            let middle = (low + high) / 2
            if links[middle].token < token { low = middle + 1 } else { high = middle }
        }
        return low < links.count && links[low].token == token ? low : nil
    }

    mutating func removeAll() { self = LinkList() }

    /// The next one to call.
    mutating func next() -> ((Source) throws -> Void)? {
        while head < links.count {
            head += 1
            if let body = links[head - 1].body.take() {
                count -= 1
                return body
            }
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
