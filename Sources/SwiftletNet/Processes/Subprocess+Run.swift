import Glibc
import SwiftletLoop

extension Subprocess {
    /// What a process that has ended has left.
    public struct Completed: Sendable, Hashable {
        /// What was started, as it was named.
        public let executable: String
        /// How it ended.
        public let status: ExitStatus
        /// What it wrote to its standard output, if that is a pipe.
        public let output: [UInt8]
        /// What it wrote to its standard error, if that is a pipe.
        public let error: [UInt8]

        /// The output as UTF-8 text; what is not is replaced.
        public var outputText: String { String(decoding: output, as: UTF8.self) }
        /// The errors as UTF-8 text; what is not is replaced.
        public var errorText: String { String(decoding: error, as: UTF8.self) }

        /// Insists on code 0. Python's `check_returncode`.
        ///
        /// - Throws: `SubprocessError` with the end of what it wrote to its standard error.
        @discardableResult
        public func requireSuccess() throws -> Completed {
            guard !status.isSuccess else { return self }
            let text = String(decoding: error.suffix(2000), as: UTF8.self)
            throw SubprocessError(
                executable, .failed(status, standardError: text.hasSuffix("\n") ? String(text.dropLast()) : text))
        }
    }

    /// Runs a process to its end and collects what it writes. Python's `subprocess.run`.
    ///
    /// ```swift
    /// let date = try Subprocess.run(Command("date", ["+%Y"])).requireSuccess().outputText
    /// ```
    /// Input is written and output read side by side, so neither side waits for the other. The call returns when it has ended and
    /// its pipes are at their ends: processes that it started and that keep them are waited for too, within the timeout.
    ///
    /// Cancellation: ends the process, and throws when it has ended.
    /// - Parameters:
    ///   - command: what to start. With `input` its standard input is a pipe; a standard error that would be inherited is
    ///     collected too.
    ///   - input: what it reads; a process that does not read all of it is no error.
    ///   - limit: the most bytes of output, and of errors, each.
    ///   - timeout: how long it may run.
    /// - Throws: `SubprocessError`; `FileError`; `SocketError`; `CancellationError`.
    public static func run(
        _ command: Command, input: [UInt8]? = nil, limit: Int = 16 << 20, timeout: Duration? = nil
    ) throws -> Completed {
        var command = command
        if input != nil { command.standardInput = .pipe }
        if command.standardError == .inherited { command.standardError = .pipe }
        let plan = command
        return try onAnyLoop { try collect(plan, input ?? [], limit, timeout) }
    }

    /// Runs a process to its end and collects what it writes, from a task.
    ///
    /// Cancellation: ends the process, and throws when it has ended.
    /// - Throws: `SubprocessError`; `FileError`; `SocketError`; `CancellationError`.
    public static func run(
        _ command: Command, input: [UInt8]? = nil, limit: Int = 16 << 20, timeout: Duration? = nil
    ) async throws -> Completed {
        try await parkInTask { try run(command, input: input, limit: limit, timeout: timeout) }
    }

    private static func collect(
        _ command: Command, _ input: [UInt8], _ limit: Int, _ timeout: Duration?
    ) throws -> Completed {
        func within<Value>(_ body: () throws -> Value) throws -> Value {
            guard let timeout else { return try body() }
            do {
                return try withTimeout(timeout, body)
            } catch is DeadlineExceeded {
                throw SubprocessError(command.executable, .timedOut(after: timeout))
            }
        }
        do {
            let (pieces, status) = try withSubprocess(command) { child in
                try within {
                    let output = spawn { try child.standardOutput?.readToEnd(limit: limit) ?? [] }
                    let error = spawn { try child.standardError?.readToEnd(limit: limit) ?? [] }
                    let writer = spawn { try child.feed(input) }
                    let collectors: [AnyFiber] = [output, error, writer]
                    do {
                        try joinAll(collectors, rethrowing: true)
                        try child.wait()
                    } catch {
                        for collector in collectors { collector.cancel() }
                        _ = try shielded { try joinAll(collectors) }
                        throw error
                    }
                    return (try output.get(), try error.get())
                }
            }
            return Completed(executable: command.executable, status: status, output: pieces.0, error: pieces.1)
        } catch let error as SocketError {
            guard case .limitExceeded(let limit) = error.reason else { throw error }
            throw SubprocessError(command.executable, .outputLimitExceeded(limit))
        }
    }

    private func feed(_ input: [UInt8]) throws {
        guard let standardInput else { return }
        defer { standardInput.close() }
        do {
            try standardInput.write(input)
        } catch let error as SocketError where error.isDisconnection {
            // It has read as much as it wanted.
        }
    }
}
