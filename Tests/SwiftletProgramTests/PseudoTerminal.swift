import Foundation

/// A program on a terminal of its own, of 30 rows.
final class PseudoTerminal {
    struct Missing: Error {
        let wanted: String
        let shown: String
    }

    private let master: CInt
    private let identifier: pid_t
    private(set) var text = ""

    init(_ name: String, _ arguments: [String], columns: UInt16 = 100, kind: String = "xterm") throws {
        // What openpty(3) does; Foundation does not offer it.
        let (unlock, numberOf): (UInt, UInt) = (0x4004_5431, 0x8004_5430)  // TIOCSPTLCK, TIOCGPTN
        var (locked, number): (CInt, CInt) = (0, 0)
        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard master >= 0, ioctl(master, unlock, &locked) == 0, ioctl(master, numberOf, &number) == 0 else {
            throw POSIXError(.ENODEV)
        }
        let path = "/dev/pts/\(number)"
        var size = winsize(ws_row: 30, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
        _ = ioctl(master, UInt(TIOCSWINSZ), &size)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, path, O_RDWR, 0)
        posix_spawn_file_actions_adddup2(&actions, 0, 1)
        posix_spawn_file_actions_adddup2(&actions, 0, 2)
        // A process group of its own below one that lives can be stopped, as a shell's job.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // As in RunningProgram.
        var nothing = sigset_t()
        sigemptyset(&nothing)
        posix_spawnattr_setsigmask(&attributes, &nothing)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        let words = ([name] + arguments).map { strdup($0) }
        let settings = ProcessInfo.processInfo.environment.merging(["TERM": kind]) { $1 }.map {
            strdup("\($0)=\($1)")
        }
        defer { for string in words + settings { free(string) } }
        var identifier: pid_t = 0
        let status = posix_spawn(
            &identifier, RunningProgram.path(of: name), &actions, &attributes, words + [nil], settings + [nil])
        self.identifier = identifier
        if status != 0 { throw POSIXError(POSIXErrorCode(rawValue: status) ?? .EIO) }
    }

    deinit {
        kill(identifier, SIGKILL)
        close(master)
    }

    func type(_ keys: String) { _ = keys.withCString { write(master, $0, strlen($0)) } }

    /// Reads on until something is shown that was not there at the call before.
    func waitFor(_ wanted: String) throws {
        var shown = ""
        let deadline = ContinuousClock.now + .seconds(60)
        while !shown.contains(wanted) {
            guard ContinuousClock.now < deadline, let piece = readOn() else {
                throw Missing(wanted: wanted, shown: shown)
            }
            shown += piece
        }
    }

    private func readOn() -> String? {
        var descriptor = pollfd(fd: master, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, 1000) > 0 else { return "" }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = read(master, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let piece = String(decoding: bytes[..<count], as: UTF8.self)
        text += piece
        return piece
    }

    func signal(_ number: CInt) { kill(identifier, number) }

    /// Until it has stopped by a signal.
    func waitForStop() throws {
        var status: CInt = 0
        while waitpid(identifier, &status, WUNTRACED) < 0, errno == EINTR {}
        if status & 0xff != 0x7f { throw Missing(wanted: "a stop", shown: "status \(status)") }
    }

    /// It passes lines on, and shows what is typed: nobody has made it raw.
    var isCooked: Bool {
        var settings = termios()
        return tcgetattr(master, &settings) == 0 && settings.c_lflag & tcflag_t(ICANON) != 0
    }

    /// Reads to the end; its exit code.
    func end() throws -> CInt {
        while readOn() != nil {}
        var status: CInt = 0
        while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
        return status >> 8 & 0xff
    }
}
