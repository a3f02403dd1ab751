@preconcurrency import Glibc  // for `environ`
import Testing

/// A running program with its input and output; errors go where output goes. Its calls block their thread.
public final class SpawnedProgram: @unchecked Sendable {
    public let identifier: CInt
    private let input: CInt
    private let output: CInt
    /// What has been read of its output.
    public private(set) var text = ""

    /// - Parameter words: the program, as the shell would find it, and its arguments.
    public init(_ words: [String]) throws {
        func pipeEnds() throws -> (reading: CInt, writing: CInt) {
            var ends: [CInt] = [0, 0]
            guard pipe(&ends) == 0 else { throw SpawnError(errno: errno) }
            // Programs that other tests start meanwhile must not keep the ends open.
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            return (ends[0], ends[1])
        }
        let (input, output) = (try pipeEnds(), try pipeEnds())
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, input.reading, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.writing, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.writing, STDERR_FILENO)
        let arguments = words.map { strdup($0) }
        var identifier: pid_t = 0
        let status = posix_spawnp(&identifier, words[0], &actions, nil, arguments + [nil], environ)
        for argument in arguments { free(argument) }
        posix_spawn_file_actions_destroy(&actions)
        close(input.reading)
        close(output.writing)
        self.identifier = identifier
        self.input = input.writing
        self.output = output.reading
        guard status == 0 else { throw SpawnError(errno: status) }
    }

    deinit {
        close(input)
        close(output)
    }

    public func write(_ text: String) { #expect(Glibc.write(input, text, text.utf8.count) == text.utf8.count) }

    /// Reads on until its output matches; nil if it ends before.
    public func waitFor<Match>(_ pattern: some RegexComponent<Match>) -> Match? {
        while true {
            if let match = text.firstMatch(of: pattern) { return match.output }
            var piece = [UInt8](repeating: 0, count: 4096)
            let count = read(output, &piece, piece.count)
            if count <= 0 { return nil }
            text += String(decoding: piece[..<count], as: UTF8.self)
        }
    }

    /// Waits for its end; the exit code, or a signal's number.
    public func end() -> CInt {
        var status: CInt = 0
        while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
        return status & 0x7f == 0 ? status >> 8 : status & 0x7f
    }

    /// At once: a child has the signals blocked that the runner's threads have.
    public func terminate() { kill(identifier, SIGKILL) }
}

/// A program could not be started.
public struct SpawnError: Error {
    public let errno: CInt
}
