import CSwiftletNATS
import Glibc
import SwiftletCoroutines
import SwiftletLoop
import SwiftletPool

/// A connection to the servers, as a loop sees it. On that loop, but for `open`.
///
/// libnats has threads of its own. What comes they put into a queue, and the loop is told once until it has emptied it. What
/// goes out is collected, and handed to libnats on a thread of the offload pool, a batch at a time: so no call of libnats
/// that may wait for the network is made on the loop. A lost connection is made anew by libnats, for as long as it takes.
///
/// States: open -> closing -> closed. Closing, what was to be sent is still sent; closed, nothing comes and nothing is sent.
final class Connection: @unchecked Sendable {
    private enum State {
        case open
        case closing
        case closed
    }

    /// What is done on another thread, in order.
    fileprivate enum Action: Sendable {
        case send(OutgoingMessage)
        case subscribe(String, tag: UInt64, then: Waiter<Void>)
        case unsubscribe(tag: UInt64)
    }

    let loop: EventLoop
    /// Messages may be so long, headers and all.
    let maxPayload: Int
    private let handle: OpaquePointer
    /// The same until it is closed, for other threads.
    private let open: Locked<UncheckedPointer?>
    private let awakened: Awakened
    private var state = State.open
    private var outgoing: [Action] = []
    private let toSend = Event()
    private let ended = Waiter<Void>()
    private let inbox: String
    private var lastNumber: UInt64 = 0
    /// Who waits for an answer, by the number that its subject ends in.
    private var replies: [UInt64: (IncomingMessage) -> Void] = [:]
    private var subscriptions: [UInt64: (IncomingMessage) -> Void] = [:]
    private var reconnected: UInt32 = 0
    /// Are called when the connection is back after it was lost.
    private var whenBack: [() -> Void] = []
    private var whenClosed: [() -> Void] = []

    /// Who is told by libnats's threads. It outlives the connection as long as they might.
    private final class Awakened: @unchecked Sendable {
        private let loop: EventLoop
        private let connection = Locked<Connection?>(nil)

        init(_ loop: EventLoop) { self.loop = loop }

        func wake() {
            loop.perform { [self] in connection.withLock { $0 }?.take() }
        }

        /// - Parameter new: kept until it is closed.
        func set(_ new: Connection?) { connection.withLock { $0 = new } }
    }

    // MARK: Beginning

    /// Connects, and waits for that.
    ///
    /// - Throws: `NATSError.cannotConnect`, `.notBuilt`; `CancellationError`.
    static func open(_ configuration: NATSConfiguration, name: String, on loop: EventLoop) throws -> Connection {
        let awakened = Awakened(loop)
        let opened = try toThread { () throws(NATSError) -> OpenConnection in
            try OpenConnection(configuration, name: name, context: Unmanaged.passUnretained(awakened).toOpaque()) {
                Unmanaged<Awakened>.fromOpaque($0!).takeUnretainedValue().wake()
            }
        }
        let connection = Connection(opened, awakened, on: loop)
        awakened.set(connection)
        loop.spawn(name: "sender of NATS messages") { connection.sendAll() }
        connection.take()
        return connection
    }

    private init(_ opened: OpenConnection, _ awakened: Awakened, on loop: EventLoop) {
        self.loop = loop
        self.awakened = awakened
        handle = opened.handle
        open = Locked(UncheckedPointer(opened.handle))
        maxPayload = swiftlet_nats_max_payload(opened.handle)
        inbox = opened.inbox
    }

    /// What may be handed from the thread that connects to the loop.
    private struct OpenConnection: @unchecked Sendable {
        let handle: OpaquePointer
        let inbox = "_INBOX." + String(UInt64.random(in: .min ... .max), radix: 36)

        init(
            _ configuration: NATSConfiguration, name: String, context: UnsafeMutableRawPointer,
            wake: @convention(c) (UnsafeMutableRawPointer?) -> Void
        ) throws(NATSError) {
            var reason = swiftlet_nats_text()
            guard let handle = configuration.withSettings(name, wake, context, { swiftlet_nats_open(&$0, &reason) })
            else {
                let text = withUnsafeBytes(of: &reason) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
                throw text.isEmpty ? .notBuilt : .cannotConnect(servers: configuration.servers, reason: text)
            }
            self.handle = handle
            if let reason = swiftlet_nats_subscribe(handle, "\(inbox).*", 0) {
                swiftlet_nats_close(handle)
                throw .connectionClosed(reason: String(cString: reason))
            }
        }
    }

    // MARK: Receiving

    /// What is left goes to the next turn, so that a flood of messages does not hold up others.
    private static let mostAtOnce = 256
    /// From so many messages at once on, more are waited for: each hand-over between threads costs more than several messages.
    private static let busy = 4
    private static let pause = Duration.microseconds(250)

    private func take() {
        guard state != .closed else { return }
        var count = takeSome(looksAgain: true)
        if count == Self.mostAtOnce {
            loop.callInNextTurn(file: #fileID, line: #line) { [self] in take() }
        } else if count < Self.busy || (try? loop.callLater(Self.pause) { [self] in take() }) == nil {
            count = takeSome(looksAgain: false)
            if count == Self.mostAtOnce { loop.callInNextTurn(file: #fileID, line: #line) { [self] in take() } }
        }
        let events = swiftlet_nats_events_of(handle)
        if events.reconnected != reconnected {
            reconnected = events.reconnected
            for body in whenBack { body() }
        }
        if events.is_closed { close() }
    }

    private func takeSome(looksAgain: Bool) -> Int {
        withUnsafeTemporaryAllocation(of: swiftlet_nats_message.self, capacity: Self.mostAtOnce) { room in
            let count = swiftlet_nats_take(handle, room.baseAddress, room.count, looksAgain)
            for message in room[..<count] { hand(IncomingMessage(owning: message.handle), message.tag) }
            return count
        }
    }

    private func hand(_ message: IncomingMessage, _ tag: UInt64) {
        if tag != 0 {
            subscriptions[tag]?(message)
        } else if let number = message.replyNumber {
            replies[number]?(message)
        }
    }

    /// Has the body called whenever the connection is back after it was lost.
    func onReturn(_ body: @escaping () -> Void) { whenBack.append(body) }

    /// Has the body called once the connection is closed.
    func onClose(_ body: @escaping () -> Void) {
        if state == .closed { body() } else { whenClosed.append(body) }
    }

    /// A subject under which answers come to the handler, until it is forgotten.
    func makeReply(_ handler: @escaping (IncomingMessage) -> Void) -> (subject: String, number: UInt64) {
        lastNumber += 1
        replies[lastNumber] = handler
        return ("\(inbox).\(lastNumber)", lastNumber)
    }

    func forgetReply(_ number: UInt64) { replies[number] = nil }

    /// A subject of our own, without a subscription.
    func makeInbox() -> String {
        lastNumber += 1
        return "\(inbox).s\(lastNumber)"
    }

    /// Has what comes for a subject handed on. Waits until libnats has told the server, or will when it is back.
    func subscribe(_ subject: String, _ handler: @escaping (IncomingMessage) -> Void) throws -> Subscription {
        guard state == .open else { throw NATSError.connectionClosed(reason: "it was no longer needed") }
        lastNumber += 1
        let tag = lastNumber
        subscriptions[tag] = handler
        let done = Waiter<Void>()
        add(.subscribe(subject, tag: tag, then: done))
        do {
            _ = try done.wait()
        } catch {
            unsubscribe(Subscription(tag: tag))
            throw error
        }
        return Subscription(tag: tag)
    }

    func unsubscribe(_ subscription: Subscription) {
        guard subscriptions.removeValue(forKey: subscription.tag) != nil else { return }
        add(.unsubscribe(tag: subscription.tag))
    }

    struct Subscription: Sendable {
        fileprivate let tag: UInt64
    }

    // MARK: Sending

    func send(_ message: OutgoingMessage) { add(.send(message)) }

    private func add(_ action: Action) {
        guard state == .open else { return }
        outgoing.append(action)
        if outgoing.count == 1 { toSend.set() }
    }

    /// Sends something small at once, from any thread but a loop's: it may wait for the network.
    func sendFromThread(_ messages: [OutgoingMessage]) {
        open.withLock { open in
            if let open { for message in messages { message.send(over: open.pointer) } }
        }
    }

    /// The sender's fiber: it lives as long as the connection. While a thread is at a batch nothing ends it, so nobody
    /// closes the connection meanwhile.
    private func sendAll() {
        let handle = UncheckedPointer(handle)
        do {
            while true {
                if outgoing.isEmpty {
                    if state == .closing { break }
                    toSend.clear()
                    try toSend.wait()
                    continue
                }
                let batch = outgoing
                outgoing = []
                try shielded { try toThread { for action in batch { action.run(on: handle.pointer) } } }
                if batch.count >= Self.busy { try sleep(Self.pause) }
            }
            try shielded { try toThread { _ = swiftlet_nats_flush(handle.pointer, 5000) } }
        } catch {}  // the loop ends, and the connection with it
        end()
    }

    // MARK: Ending

    /// Sends what is to be sent, and closes the connection.
    func close() {
        guard state == .open else { return }
        state = .closing
        toSend.set()
    }

    /// Waits until it is closed.
    func waitUntilClosed() throws { _ = try ended.wait() }

    private func end() {
        state = .closed
        awakened.set(nil)
        let (handle, open, awakened) = (UncheckedPointer(handle), open, awakened)
        // It waits for libnats's threads.
        OffloadPool.shared.submit {
            open.withLock { $0 = nil }
            swiftlet_nats_close(handle.pointer)
            withExtendedLifetime(awakened) {}
        }
        for case .subscribe(_, _, let then) in outgoing {
            then.resume(throwing: NATSError.connectionClosed(reason: "its loop has ended"))
        }
        (outgoing, replies, subscriptions) = ([], [:], [:])
        let bodies = whenClosed
        (whenBack, whenClosed) = ([], [])
        for body in bodies { body() }
        ended.resume(returning: ())
    }
}

extension Connection.Action {
    fileprivate func run(on connection: OpaquePointer) {
        switch self {
        case .send(let message): message.send(over: connection)
        case .unsubscribe(let tag): swiftlet_nats_unsubscribe(connection, tag)
        case .subscribe(let subject, let tag, let then):
            if let reason = swiftlet_nats_subscribe(connection, subject, tag) {
                then.resume(throwing: NATSError.connectionClosed(reason: String(cString: reason)))
            } else {
                then.resume(returning: ())
            }
        }
    }
}

/// A pointer that may be used on any thread: what it points to has a lock of its own.
struct UncheckedPointer: @unchecked Sendable {
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }
}
