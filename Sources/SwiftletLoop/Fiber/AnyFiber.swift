import CSwiftlet
import SwiftletCoroutines

/// What all fibers have in common, whatever they return.
///
/// States: `unstarted` -> `running` -> `finished`. A fiber that is cancelled before its first run goes straight to
/// `finished` and its body never runs. While it is parked, `context` is its stack; before and after it has none.
///
/// Thread rules: a fiber belongs to its loop. `cancel()`, `join` and reading its result may be done from any thread.
@safe
public class AnyFiber: Hashable, CustomStringConvertible, @unchecked Sendable {
    enum State: UInt8 {
        case unstarted
        case running
        case finished
    }

    @exclusivity(unchecked) final var state = State.unstarted
    @exclusivity(unchecked) final var isCancelRequested = false
    /// Somebody has looked at the result, or will.
    @exclusivity(unchecked) final var isObserved = false
    @exclusivity(unchecked) final var context: ContextPointer?
    @exclusivity(unchecked) final var joiners: UnsafeMutablePointer<JoinNode>?
    @exclusivity(unchecked) final var extras: FiberExtras?
    // Safe: a fiber is only run by its loop, and asks for it only while that loop exists or is known to be closed.
    final unowned(unsafe) let loop: EventLoop
    final let line: UInt32
    private final let file: UnsafePointer<UInt8>

    init(loop: EventLoop, file: StaticString, line: UInt32) {
        unsafe self.loop = loop
        self.line = line
        unsafe self.file = unsafe file.utf8Start
    }

    /// The fiber that the caller runs in, if any.
    public static var current: AnyFiber? {
        guard let thread = unsafe swiftlet_thread_if_made() else { return nil }
        let flow = unsafe flowOfControl(thread.pointee.current)
        guard unsafe Int(flow.pointee.kind) == Int(SWIFTLET_KIND_FIBER.rawValue) else { return nil }
        return unsafe Unmanaged<AnyFiber>.fromOpaque(flow.pointee.owner).takeUnretainedValue()
    }

    // MARK: What is known of it

    /// The body has ended, or never will start.
    public final var isFinished: Bool { unsafe state == .finished }
    /// The body has begun.
    public final var isStarted: Bool { unsafe context != nil || (state != .unstarted && !(isFinished && neverRan)) }
    /// `cancel()` was called.
    public final var isCancelled: Bool { unsafe isCancelRequested }
    /// It has finished without an error.
    public var isSuccessful: Bool { fatalError("abstract") }
    /// The error it ended with; looking at it counts as having noticed.
    public var error: (any Error)? { fatalError("abstract") }

    /// The name given to `spawn`, or `fiber-N` in the order of spawning with names asked for.
    public final var name: String { unsafe extras?.name ?? "fiber at \(origin)" }

    /// Where it was spawned, as `Module/File.swift:line`.
    public final var origin: String { unsafe "\(String(cString: file)):\(line)" }

    public final var description: String { unsafe "<Fiber \(name) \(state)>" }

    private final var neverRan: Bool { unsafe extras?.neverRan ?? false }

    // MARK: Cancelling

    /// Ends the fiber: its pending wait and all later ones throw `CancellationError`. One that has not started never
    /// runs. Does nothing to one that has finished. From any thread.
    public final func cancel() {
        guard unsafe loop.isCurrent else {
            unsafe loop.perform { self.cancel() }
            return
        }
        guard unsafe state != .finished, unsafe !isCancelRequested else { return }
        unsafe isCancelRequested = true
        if unsafe state == .unstarted {
            // Its time to start may be far: it ends in its turn now, and the timer will find nothing to do.
            unsafe loop.schedule(self, after: nil)
            return
        }
        guard let parked = unsafe context?.pointee.parked, unsafe !parked.pointee.wait_is_shielded else { return }
        if unsafe parked.pointee.wait_id != 0, unsafe !CancelScope.isShielded(context!) {
            unsafe loop.decideHere(parked, parked.pointee.wait_id, .cancelled)
        }
    }

    // MARK: Running

    /// Runs the body and keeps its result. On the fiber's stack.
    func execute() { fatalError("abstract") }

    /// Ends a fiber that will never run.
    func finishUnstarted(_ reason: any Error) { fatalError("abstract") }

    /// Wakes joiners and calls links, in the order in which they came.
    final func finished() {
        unsafe state = .finished
        unsafe context = nil
        while let node = unsafe joiners {
            unsafe joiners = unsafe node.pointee.next
            unsafe node.pointee.complete(on: loop)
        }
        if let extras = unsafe extras { extras.callLinks(of: self) }
    }

    func makeExtras() -> FiberExtras {
        if let extras = unsafe extras { return extras }
        let made = FiberExtras()
        unsafe extras = made
        return made
    }

    public static func == (left: AnyFiber, right: AnyFiber) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// What few fibers need, kept apart so that the others stay small.
@safe
final class FiberExtras {
    var name: String?
    var nameBytes: UnsafeMutablePointer<CChar>?
    var stackSize = StackSize.default
    var neverRan = false
    var locals: [ObjectIdentifier: Any] = [:]
    private var links: [(id: Int, body: (AnyFiber) throws -> Void)] = []
    private var lastLink = 0

    deinit { unsafe nameBytes?.deallocate() }

    func setName(_ name: String) {
        self.name = name
        let count = name.utf8.count + 1
        let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: count)
        unsafe name.withCString { unsafe bytes.update(from: $0, count: count) }
        unsafe nameBytes = unsafe bytes
    }

    func addLink(_ body: @escaping (AnyFiber) throws -> Void) -> Int {
        lastLink += 1
        links.append((lastLink, body))
        return lastLink
    }

    func removeLink(_ id: Int) { links.removeAll { $0.id == id } }

    /// One by one: a link may remove a later one.
    func callLinks(of fiber: AnyFiber) {
        while !links.isEmpty {
            let link = links.removeFirst()
            do {
                try link.body(fiber)
            } catch {
                Report(.unretrievedError, "a link of \(fiber) threw \(error)").post()
            }
        }
    }
}
