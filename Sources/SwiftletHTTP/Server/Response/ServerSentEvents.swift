import HTTPTypes
import Swiftlet
import SwiftletCoroutines

/// Sends events to a browser's `EventSource` (HTML, 9.2).
///
/// Thread rules: several fibers or tasks of the connection's loop may send; each event goes out whole.
public final class HTTPEventSender: @unchecked Sendable {
    private let writer: HTTPServerResponse.Writer
    private let lock = Lock()

    init(_ writer: HTTPServerResponse.Writer) { self.writer = writer }

    /// Sends an event, and waits until the client or the kernel has taken it.
    ///
    /// Cancellation: ends the wait, and the stream.
    /// - Parameters:
    ///   - data: may have several lines.
    ///   - event: the kind of event; `nil` is `message`.
    ///   - id: what the browser sends as `Last-Event-ID` when it connects again.
    /// - Throws: `SocketError` when the client has gone; `CancellationError`.
    public func send(_ data: String, event: String? = nil, id: String? = nil) throws {
        try write(Self.text(data, event, id, nil))
    }

    /// Sends an event from a task.
    ///
    /// Cancellation: ends the wait, and the stream.
    public func send(_ data: String, event: String? = nil, id: String? = nil) async throws {
        try await parkInTask { try self.write(Self.text(data, event, id, nil)) }
    }

    /// Tells the browser how long to wait before it connects again.
    public func setRetry(_ delay: Duration) throws { try write(Self.text(nil, nil, nil, delay)) }

    /// Sends something that is no event: it keeps the connection busy, and notices a client that has gone.
    func sendComment() throws { try write(":\n\n") }

    private func write(_ text: String) throws {
        let bytes = Array(text.utf8)
        try lock.withLock { try writer.write(bytes) }
    }

    private static func text(_ data: String?, _ event: String?, _ id: String?, _ retry: Duration?) -> String {
        var text = ""
        // A line ending in a kind or an id would be an event of whoever chose it.
        func line(_ name: String, _ value: String) {
            text += "\(name): \(value.filter { !$0.isNewline && $0 != "\0" })\n"
        }
        if let event { line("event", event) }
        if let id { line("id", id) }
        if let retry { line("retry", "\(Int(retry / .milliseconds(1)))") }
        for piece in data?.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) ?? [] {
            text += "data: \(piece)\n"
        }
        return text + "\n"
    }
}

extension HTTPServerResponse {
    /// An answer of events, as long as the body runs and the client listens: plain synchronous code.
    ///
    /// ```swift
    /// server.get("/clock") { _ in
    ///     .events { events in
    ///         while true { try events.send("\(Date.now)"); try sleep(.seconds(1)) }
    ///     }
    /// }
    /// ```
    /// - Parameters:
    ///   - heartbeat: how often something is sent when nothing happens, so that proxies keep the connection, and a client
    ///     that has gone is noticed; then the body is cancelled.
    ///   - body: sends the events, in the connection's fiber.
    public static func events(
        heartbeat: Duration = .seconds(15), _ body: @escaping @Sendable (HTTPEventSender) throws -> Void
    ) -> HTTPServerResponse {
        .stream(headers: [.cacheControl: "no-cache"], contentType: "text/event-stream") { (writer: Writer) throws in
            let sender = HTTPEventSender(writer)
            try withCancelScope { scope in
                let beating = spawn(name: "http-event-heartbeat") {
                    while true {
                        try sleep(heartbeat)
                        do { try sender.sendComment() } catch {
                            scope.cancel()
                            return
                        }
                    }
                }
                defer { beating.cancel() }
                try body(sender)
            }
        }
    }

    /// An answer of events that async code sends.
    public static func events(
        heartbeat: Duration = .seconds(15), _ body: @escaping @Sendable (HTTPEventSender) async throws -> Void
    ) -> HTTPServerResponse {
        let blocking: @Sendable (HTTPEventSender) throws -> Void = { sender in
            try blockOn { try await body(sender) }
        }
        return events(heartbeat: heartbeat, blocking)
    }
}
