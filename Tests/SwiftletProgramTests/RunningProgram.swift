import Foundation
import TestSupport

/// One of the package's built programs, as a user would run it. Its output is stamped line by line as it comes.
///
/// Not Foundation's `Process`: that one's children inherit the signals that the test runner's threads have blocked, and
/// could not be stopped.
final class RunningProgram: @unchecked Sendable {
    struct Line {
        let seconds: Double
        /// For how many of these seconds the program's main thread, or who reads this, was ready to run and others had the
        /// processor: what a bound has to allow it on a busy machine.
        let delay: Double
        let text: String
    }

    struct Outcome {
        let exitCode: CInt
        let lines: [Line]
        let errors: String
        let seconds: Double
        let delay: Double

        var texts: [String] { lines.map(\.text) }
    }

    let identifier: pid_t
    private let output: FileHandle
    private let errors = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID()).errors")
    private let start = ContinuousClock.now
    private var unread = Data()
    private var readersDelay = 0.0
    private var hasBeenWaitedFor = false

    /// - Parameter input: the path of a file or named pipe.
    init(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], input: String = "/dev/null"
    ) throws {
        let pipe = Pipe()
        output = pipe.fileHandleForReading

        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, input, O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, pipe.fileHandleForWriting.fileDescriptor, STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.path, O_WRONLY | O_CREAT, 0o600)

        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var nothing = sigset_t()
        sigemptyset(&nothing)
        posix_spawnattr_setsigmask(&attributes, &nothing)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        let path = Self.path(of: name)
        let words = ([name] + arguments).map { strdup($0) }
        let settings = ProcessInfo.processInfo.environment.merging(environment) { $1 }.map { strdup("\($0)=\($1)") }
        defer { for string in words + settings { free(string) } }
        var identifier: pid_t = 0
        let status = posix_spawn(&identifier, path, &actions, &attributes, words + [nil], settings + [nil])
        self.identifier = identifier
        try pipe.fileHandleForWriting.close()
        if status != 0 { throw POSIXError(POSIXErrorCode(rawValue: status) ?? .EIO) }
    }

    deinit {
        if !hasBeenWaitedFor {
            kill(identifier, SIGKILL)
            wait()
        }
        unlink(errors.path)
    }

    /// The programs lie beside the test runner.
    static let folder = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent()

    static func path(of name: String) -> String { folder.appendingPathComponent(name).path }

    /// The next line of its output, when it comes; nil at the end.
    func nextLine() -> Line? {
        let before = processorDelay()
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                let text = String(decoding: unread[..<end], as: UTF8.self)
                unread.removeSubrange(...end)
                readersDelay += (processorDelay() - before) / .seconds(1)
                return Line(seconds: seconds, delay: delay, text: text)
            }
            let piece = output.availableData
            if piece.isEmpty { return nil }
            unread.append(piece)
        }
    }

    /// The most memory that it has had at a time, while it runs. (What wait4 tells begins with its starter's: exec keeps that.)
    func peakKilobytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(identifier)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return line.flatMap { Int($0.filter(\.isNumber)) } ?? 0
    }

    func signal(_ number: CInt) { kill(identifier, number) }

    /// Reads to the end of its output, and waits for its own.
    func finish() throws -> Outcome {
        var lines: [Line] = []
        while let line = nextLine() { lines.append(line) }
        // It has ended, and can still be asked.
        var information = siginfo_t()
        while waitid(P_PID, id_t(identifier), &information, WEXITED | WNOWAIT) < 0, errno == EINTR {}
        let delay = delay
        let code = wait()
        return Outcome(
            exitCode: code, lines: lines, errors: try String(contentsOf: errors, encoding: .utf8), seconds: seconds,
            delay: delay)
    }

    /// Runs a program to its end.
    static func run(
        _ name: String, _ arguments: String..., environment: [String: String] = [:], input: String = "/dev/null"
    ) async throws -> Outcome {
        try await onThread { try RunningProgram(name, arguments, environment: environment, input: input).finish() }
    }

    /// How long its main thread, and who read its lines, were ready to run while others had the processor. By the kernel's
    /// count; without one it is zero.
    var delay: Double {
        guard let text = try? String(contentsOfFile: "/proc/\(identifier)/schedstat", encoding: .utf8) else { return 0 }
        let numbers = text.split(separator: " ")
        return readersDelay + (numbers.count > 1 ? (Double(numbers[1]) ?? 0) / 1e9 : 0)
    }

    private var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    @discardableResult
    private func wait() -> CInt {
        var status: CInt = 0
        while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
        hasBeenWaitedFor = true
        let signal = status & 0x7f
        return signal == 0 ? status >> 8 & 0xff : 128 + signal
    }
}

/// Runs something that blocks on a thread of its own: the pool's few threads belong to the other tests too.
func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}
