import CInterpose

/// Which of libc's blocking calls become cooperative. gevent's arguments of `patch_all`.
public struct PatchOptions: OptionSet, Sendable, Hashable {
    public let rawValue: UInt32

    public init(rawValue: UInt32) { self.rawValue = rawValue }

    private init(_ family: Int) { self.init(rawValue: UInt32(family)) }

    /// `read`, `write` and their kin on pipes, terminals and sockets; `sendfile`, `splice`.
    public static let streams = PatchOptions(SWIFTLET_FAMILY_STREAMS)
    /// `recv`, `send`, `connect`, `accept` and their kin.
    public static let sockets = PatchOptions(SWIFTLET_FAMILY_SOCKETS)
    /// `poll`, `select`, `epoll_wait` and their kin.
    public static let polling = PatchOptions(SWIFTLET_FAMILY_POLLING)
    /// `sleep`, `nanosleep` and their kin.
    public static let sleeping = PatchOptions(SWIFTLET_FAMILY_SLEEPING)
    /// `getaddrinfo`, `getnameinfo`, `gethostbyname` and their kin: on other threads.
    public static let names = PatchOptions(SWIFTLET_FAMILY_NAMES)
    /// `waitpid` and its kin.
    public static let processes = PatchOptions(SWIFTLET_FAMILY_PROCESSES)
    /// `flock` and record locks.
    public static let locks = PatchOptions(SWIFTLET_FAMILY_LOCKS)
    /// `sem_wait` and its kin.
    public static let semaphores = PatchOptions(SWIFTLET_FAMILY_SEMAPHORES)
    /// Reading what is not in the page cache, and `fsync`: on other threads.
    public static let files = PatchOptions(SWIFTLET_FAMILY_FILES)
    /// pthread mutexes, condition variables and `pthread_join`, between fibers and tasks of one thread too.
    public static let threads = PatchOptions(SWIFTLET_FAMILY_THREADS)

    /// Everything.
    public static let all: PatchOptions = [
        .streams, .sockets, .polling, .sleeping, .names, .processes, .locks, .semaphores, .files, .threads,
    ]

    /// Each member, with its name.
    static let named: [(name: String, option: PatchOptions)] = [
        ("streams", .streams), ("sockets", .sockets), ("polling", .polling), ("sleeping", .sleeping),
        ("names", .names), ("processes", .processes), ("locks", .locks), ("semaphores", .semaphores),
        ("files", .files), ("threads", .threads),
    ]
}
