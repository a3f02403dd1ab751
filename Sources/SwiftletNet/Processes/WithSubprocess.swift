import Glibc
import SwiftletLoop

/// Runs the body with a child process, which has ended when this returns.
///
/// ```swift
/// var command = Command("sort")
/// command.standardInput = .pipe
/// let (sorted, status) = try withSubprocess(command) { child in
///     try child.standardInput!.write("b\na\n")
///     child.standardInput!.close()
///     return try child.standardOutput!.readToEnd()
/// }
/// ```
/// After the body its streams are closed, and its end is waited for. If the body throws, it is made to end: by `SIGTERM`, and by
/// `SIGKILL` after `Command.grace`. No process is left behind, and no descriptor.
///
/// Cancellation: of the caller ends the body's waits, and so the process.
/// - Returns: what the body returns, and how the process ended.
/// - Throws: `SubprocessError`; `FileError` for a stream's file; what the body throws.
public func withSubprocess<Value>(
    _ command: Command, _ body: (Subprocess) throws -> Value
) throws -> (value: Value, status: ExitStatus) {
    let child = try Subprocess.start(command)
    do {
        let value = try body(child)
        child.closeStreams()
        return (value, try child.wait())
    } catch {
        try child.end(grace: command.grace)
        throw error
    }
}

/// Runs the body with a child process, which has ended when this returns, from a task.
///
/// Cancellation: of the caller ends the body's waits, and so the process.
/// - Returns: what the body returns, and how the process ended.
/// - Throws: `SubprocessError`; `FileError` for a stream's file; what the body throws.
public nonisolated(nonsending) func withSubprocess<Value>(
    _ command: Command, _ body: nonisolated(nonsending) (Subprocess) async throws -> Value
) async throws -> (value: Value, status: ExitStatus) {
    let child = try await Subprocess.startInTask(command)
    do {
        let value = try await body(child)
        child.closeStreams()
        return (value, try await child.wait())
    } catch {
        try await child.endInTask(grace: command.grace)
        throw error
    }
}

extension Subprocess {
    static func start(_ command: Command) throws -> Subprocess {
        // To the end: a child that has been started must be known to somebody.
        try offLoop(isShielded: true) { try command.startNow() }
    }

    fileprivate static func startInTask(_ command: Command) async throws -> Subprocess {
        try await parkInTask { try start(command) }
    }

    /// Ends it, whatever cancels the caller.
    func end(grace: Duration) throws {
        closeStreams()
        _ = try shielded { try terminate(grace: grace) }
    }

    fileprivate func endInTask(grace: Duration) async throws {
        try await parkInTask { try self.end(grace: grace) }
    }
}
