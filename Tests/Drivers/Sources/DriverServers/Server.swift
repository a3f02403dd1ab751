import Glibc

/// A server process of this test, with a folder and a port of its own. It ends with the last reference, and with this process,
/// however that ends: a shell waits for the end of a pipe that only this process keeps open.
public final class Server: Sendable {
    public let port: Int
    public let folder: String
    private let shell: pid_t
    private let lifeline: CInt

    init(folder: String, port: Int, stopSignal: String = "TERM", _ command: [String]) throws {
        self.folder = folder
        self.port = port
        var ends: [CInt] = [0, 0]
        guard pipe(&ends) == 0 else { throw ServerError("no pipe: errno \(errno)") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        lifeline = ends[1]
        let script = """
            folder=$1; signal=$2; shift 2
            "$@" & server=$!
            cat > /dev/null
            kill -"$signal" $server; wait $server; rm -rf "$folder"
            """
        shell = try Self.start(
            ["sh", "-c", script, "sh", folder, stopSignal] + command, log: folder + "/log", input: ends[0])
    }

    deinit {
        close(lifeline)
        var status: CInt = 0
        while waitpid(shell, &status, 0) < 0, errno == EINTR {}
    }

    /// Waits until somebody listens on the port, and a program that asks the server ends well.
    func waitUntilItListens(asking question: [String]? = nil) throws -> Server {
        for _ in 0..<500 {
            if Self.isListening(port), question.map({ (try? Self.run($0)) != nil }) ?? true { return self }
            usleep(20_000)
        }
        throw ServerError("nothing listens on port \(port); see \(folder)/log")
    }

    private static func address(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    private static func isListening(_ port: Int) -> Bool {
        let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = address(port)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }

    /// A port that nobody listened on a moment ago.
    static func freePort() throws -> Int {
        let socket = Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = address(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, size) == 0 ? getsockname(socket, $0, &size) : -1
            }
        }
        guard status == 0 else { throw ServerError("no free port: errno \(errno)") }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    static func makeFolder(_ name: String) throws -> String {
        var template = Array("/tmp/swiftlet-\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw ServerError("no folder in /tmp: errno \(errno)") }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func start(_ command: [String], log: String, input: CInt? = nil) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o666)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        if let input { posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO) }
        // A thread of libdispatch blocks all signals: what it starts would not see the one that ends it.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let words = command.map { strdup($0) }
        defer { for word in words { free(word) } }
        var process: pid_t = 0
        let status = posix_spawnp(&process, command[0], &actions, &attributes, words + [nil], environ)
        guard status == 0 else { throw ServerError("cannot start \(command[0]): errno \(status)") }
        return process
    }

    /// Runs a command to its end.
    static func run(_ command: [String], log: String = "/dev/null") throws {
        let process = try start(command, log: log)
        var status: CInt = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw ServerError("\(command.joined(separator: " ")) failed: see \(log)") }
    }

    /// The database servers refuse to run as root: then as the user of Debian's package.
    static func asUser(_ user: String, _ command: [String]) -> [String] {
        getuid() == 0 ? ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] + command : command
    }
}

public struct ServerError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
