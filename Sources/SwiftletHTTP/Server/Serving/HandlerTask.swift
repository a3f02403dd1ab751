import HTTPTypes
import Swiftlet
import SwiftletLoop

/// Runs async handlers, one after the other, in one task: to make a task costs more than most requests do.
///
/// Between two requests it is suspended, and belongs to the worker. It is resumed on the stack of the fiber whose connection
/// has the next request, so a handler that does not wait costs no turn of the loop; for one that does, the fiber waits.
///
/// States: resting -> handling -> resting | over. It is over after `end`, and once the task has been cancelled, since that
/// cannot be taken back. All of it belongs to the worker's loop.
final class HandlerTask: @unchecked Sendable {
    typealias Handler = @Sendable (HTTPServerRequest) async throws -> HTTPServerResponse

    private let loop: EventLoop
    private var task: Task<Void, Never>?
    private var call: (handler: Handler, request: HTTPServerRequest)?
    private var result: Result<HTTPServerResponse, any Error>?
    /// Where the task rests.
    private var rest: UnsafeContinuation<Void, Never>?
    /// Wakes the fiber, if it waits.
    private var handled: Waiter<Void>?
    private var isOver = false

    /// It rests, and nobody has cancelled it: another request may have it.
    var isReusable: Bool { rest != nil && !isOver && task?.isCancelled == false }

    init(on loop: EventLoop) { self.loop = loop }

    /// Has a request handled, and waits for the response.
    ///
    /// Cancellation: of the fiber cancels the handler and waits for its end.
    /// - Throws: what the handler throws.
    func response(of handler: @escaping Handler, to request: HTTPServerRequest) throws -> HTTPServerResponse {
        call = (handler, request)
        goOn()
        if result == nil { try wait() }
        return try result.take()!.get()
    }

    /// Lets the task end: one that still handles a request, with that.
    func end() {
        isOver = true
        if rest != nil { goOn() }
    }

    private func goOn() {
        loop.resumeHere {
            if let rest = rest.take() { rest.resume() } else { task = loop.makeTask { await self.run() } }
        }
    }

    private func run() async {
        while let (handler, request) = call.take() {
            do {
                result = .success(try await handler(request))
            } catch {
                result = .failure(error)
            }
            if Task.isCancelled { isOver = true }
            handled.take()?.resume(returning: ())
            if isOver { return }
            await withUnsafeContinuation { rest = $0 }
        }
    }

    private func wait() throws {
        let handled = Waiter<Void>()
        self.handled = handled
        do {
            _ = try handled.wait(.task)
        } catch is CancellationError {
            task?.cancel()
            _ = try handled.wait(.task, isShielded: true)
        }
    }
}
