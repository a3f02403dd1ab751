import CSwiftlet
import SwiftletCoroutines
import SwiftletLoop

/// The state shared by an async generator and its running body.
///
/// States: `created` -> `running` <-> `suspended` -> `closed`, as with a generator. The body and whoever resumes it are
/// two tasks, of which one waits for the other: `resumer` is set while running, `body` while suspended, never both.
final class AsyncGeneratorCore<Element: Sendable, Sent: Sendable>: AnyAsyncGenerator, @unchecked Sendable {
    enum Input {
        case start
        case value(Sent)
        case error(any Error)
    }

    private typealias Resumer = UnsafeContinuation<Element?, any Error>
    private typealias Body = UnsafeContinuation<Sent, any Error>

    private struct State {
        var stage = AsyncGeneratorState.created
        var resumer: Resumer?
        var body: Body?
        var task: Task<Void, Never>?
        /// The body's task, so that `yield` elsewhere is noticed.
        var runner: UInt = 0
        var isAbandoned = false
        var locals: [String: any Sendable]
    }

    /// What a resume finds to do; done outside the lock.
    private enum Step {
        case begin
        case goOn(Body)
        case fail(any Error)
        case end
    }

    private let shared: Locked<State>
    let name: String
    // Taken by whoever moves the state on from created, hence by one.
    private var function: (@Sendable (AsyncYielder<Element, Sent>) async throws -> Void)?

    init(
        name: String, arguments: [String: any Sendable],
        _ function: @escaping @Sendable (AsyncYielder<Element, Sent>) async throws -> Void
    ) {
        self.name = name
        self.function = function
        shared = Locked(State(locals: arguments))
    }

    var state: AsyncGeneratorState { shared.withLock { $0.stage } }

    var locals: [String: any Sendable] {
        get { shared.withLock { $0.locals } }
        set { shared.withLock { if $0.stage != .closed { $0.locals = newValue } } }
    }

    /// What a `for` loop sends.
    func nothing() throws -> Sent {
        guard let nothing = () as? Sent else { throw AsyncGeneratorError.needsValues }
        return nothing
    }

    // MARK: Resuming

    func resume(_ input: Input) async throws -> Element? {
        // A cancelled caller leaves the body as it is: nothing is lost.
        try Task.checkCancellation()
        return try await withTaskCancellationHandler {
            try await cross(input)
        } onCancel: {
            shared.withLock { $0.task }?.cancel()
        }
    }

    private func cross(_ input: Input) async throws -> Element? {
        try await withUnsafeThrowingContinuation { resumer in
            switch shared.withLock({ state in step(&state, input, resumer) }) {
            case .begin: begin()
            case .goOn(let body):
                switch input {
                case .start: body.resume(throwing: AsyncGeneratorError.alreadyStarted)  // excluded by `step`
                case .value(let value): body.resume(returning: value)
                case .error(let error): body.resume(throwing: error)
                }
            case .fail(let error): resumer.resume(throwing: error)
            case .end: resumer.resume(returning: nil)
            }
        }
    }

    private func step(_ state: inout State, _ input: Input, _ resumer: Resumer) -> Step {
        switch (state.stage, input) {
        case (.running, _): return .fail(AsyncGeneratorError.alreadyRunning)
        case (.created, .error(let error)):
            state.stage = .closed
            function = nil
            return .fail(error)
        case (.created, .value): return .fail(AsyncGeneratorError.sendBeforeStart)
        case (.suspended, .start): return .fail(AsyncGeneratorError.alreadyStarted)
        case (.closed, .error(let error)): return .fail(error)
        case (.closed, _): return .end
        case (.created, .start):
            state.stage = .running
            state.resumer = resumer
            return .begin
        case (.suspended, _):
            state.stage = .running
            state.resumer = resumer
            return .goOn(state.body.take()!)
        }
    }

    private func begin() {
        let function = self.function.take()!
        let loop = EventLoop.carrier
        loop?.keep(self)
        let run: @Sendable @concurrent () async -> Void = {
            self.shared.withLock { $0.runner = currentRunner() }
            defer { loop?.forget(self) }
            do {
                try await function(AsyncYielder(core: self))
                self.ended(nil)
            } catch is StopIteration {
                self.ended(AsyncGeneratorError.raisedStopIteration)
            } catch {
                self.ended(error)
            }
        }
        let task = loop.map { $0.makeTask(run) } ?? Task(operation: run)
        // It may have ended, on another thread.
        shared.withLock { if $0.stage != .closed { $0.task = task } }
    }

    // MARK: In the body

    func yield(_ element: Element) async throws -> Sent {
        let runner = currentRunner()
        return try await withUnsafeThrowingContinuation { body in
            let found: Result<Resumer, any Error> = shared.withLock { state in
                guard state.stage == .running, state.runner == runner else {
                    return .failure(AsyncGeneratorError.yieldOutsideBody)
                }
                guard let resumer = state.resumer.take() else { return .failure(GeneratorExit()) }  // abandoned
                state.stage = .suspended
                state.body = body
                return .success(resumer)
            }
            switch found {
            case .success(let resumer): resumer.resume(returning: element)
            case .failure(let error): body.resume(throwing: error)
            }
        }
    }

    private func ended(_ error: (any Error)?) {
        let (resumer, isAbandoned) = shared.withLock { state in
            state.stage = .closed
            state.task = nil
            state.locals = [:]
            return (state.resumer.take(), state.isAbandoned)
        }
        if let error {
            resumer?.resume(throwing: error)
            if isAbandoned, !(error is GeneratorExit), !(error is CancellationError) {
                Report(.unwindingError, "async generator \(name) threw \(error) while it was unwound").post()
            }
        } else {
            resumer?.resume(returning: nil)
        }
    }

    // MARK: Ending

    func close() async throws {
        let isNew = shared.withLock { state in
            guard state.stage == .created else { return false }
            state.stage = .closed
            return true
        }
        if isNew {
            function = nil
            return
        }
        if state == .closed { return }
        do {
            // Not `resume`: the clean-up must not be cancelled together with who asks for it.
            if try await cross(.error(GeneratorExit())) != nil { throw AsyncGeneratorError.ignoredExit }
        } catch is GeneratorExit {}
    }

    /// Nobody can ask for an element any more.
    func abandon() {
        let body = shared.withLock { state in
            if state.stage == .created { state.stage = .closed }
            guard state.stage == .suspended else { return nil as Body? }
            state.stage = .running
            state.isAbandoned = true
            return state.body.take()
        }
        body?.resume(throwing: GeneratorExit())
    }
}

/// An async generator of whatever type, as its loop knows it.
protocol AnyAsyncGenerator: AnyObject, Sendable {
    var name: String { get }
    var state: AsyncGeneratorState { get }
    func close() async throws
}

/// The task that runs the caller: only compared.
private func currentRunner() -> UInt { UInt(bitPattern: swiftlet_current_task()) }
