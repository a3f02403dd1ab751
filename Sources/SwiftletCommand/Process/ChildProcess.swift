@preconcurrency import Glibc  // for `environ`

/// A process of this same executable, with pipes on its standard input and output.
///
/// It ends with its parent, however that one ends: the parent never writes to the input, and the child quits when it is
/// closed (`quitWithParent`). That holds for Ctrl-C and for `kill -9` too.
final class ChildProcess {
    let identifier: pid_t
    private let input: CInt
    private let output: CInt
    private var unread: [UInt8] = []
    private var hasBeenWaitedFor = false

    /// What a process has used, as the kernel counted it.
    struct Usage {
        let exitCode: CInt
        let processorSeconds: Double
        let peakResidentBytes: Int
    }

    init(arguments: [String]) throws(Failure) {
        let input = try Self.pipe()
        let output = try Self.pipe()
        defer {
            close(input.reading)
            close(output.writing)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input.reading, STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, output.writing, STDOUT_FILENO)

        // With no signal blocked, whatever this process's starter had blocked: it must be possible to end it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var nothing = sigset_t()
        sigemptyset(&nothing)
        posix_spawnattr_setsigmask(&attributes, &nothing)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        let words = (["swiftlet"] + arguments).map { strdup($0) }
        defer { for word in words { free(word) } }
        var identifier: pid_t = 0
        let status = posix_spawn(&identifier, "/proc/self/exe", &actions, &attributes, words + [nil], environ)
        self.identifier = identifier
        self.input = input.writing
        self.output = output.reading
        guard status == 0 else { throw .system("cannot start a process: \(String(cString: strerror(status)))") }
    }

    deinit {
        end()
        close(input)
        close(output)
    }

    /// The next line of its output; nil at the end.
    func readLine() -> String? {
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { unread.removeSubrange(...end) }
                return String(decoding: unread[..<end], as: UTF8.self)
            }
            var piece = [UInt8](repeating: 0, count: 4096)
            let count = read(output, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            unread += piece[..<count]
        }
    }

    /// Waits for its end.
    @discardableResult
    func wait() -> Usage {
        var status: CInt = 0
        var usage = rusage()
        while wait4(identifier, &status, 0, &usage) < 0, errno == EINTR {}
        hasBeenWaitedFor = true
        let signal = status & 0x7f
        return Usage(
            exitCode: signal == 0 ? status >> 8 & 0xff : 128 + signal,
            processorSeconds: usage.processorSeconds, peakResidentBytes: usage.ru_maxrss * 1024)
    }

    /// Ends it, if it still runs.
    func end() {
        if hasBeenWaitedFor { return }
        kill(identifier, SIGTERM)
        wait()
    }

    private static func pipe() throws(Failure) -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [0, 0]
        guard Glibc.pipe(&ends) == 0 else {
            throw .system("cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }  // other children must not keep it open
        return (ends[0], ends[1])
    }
}

/// Makes this process, a child, end as soon as its standard input is closed: when its parent has ended.
func quitWithParent() {
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { _ in
            var byte: UInt8 = 0
            while read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR { errno = 0 }
            _exit(0)
        }, nil)
    pthread_detach(thread)
}

/// User and system time of this process so far.
func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.processorSeconds
}

extension rusage {
    fileprivate var processorSeconds: Double {
        Double(ru_utime.tv_sec + ru_stime.tv_sec) + Double(ru_utime.tv_usec + ru_stime.tv_usec) / 1e6
    }
}
