import CInterpose

/// What `patchAll` covers in this process.
///
/// ```swift
/// print(patchAll())
/// ```
public struct PatchReport: Sendable, Hashable, CustomStringConvertible {
    /// How one of libc's names is bound.
    public enum Binding: Sendable, Hashable, CustomStringConvertible {
        /// To this library, by the dynamic linker's lookup and in the tables of every library that is loaded now.
        case bound
        /// Another library's definition comes first.
        case precededBy(String)
        /// This library of the process has its calls bound elsewhere: it was linked or loaded to prefer its own symbols.
        case bypassedBy(String)
        /// libc does not have it.
        case unknownToLibc

        public var description: String {
            switch self {
            case .bound: "covered"
            case .precededBy(let library): "not covered: \(library) defines it too, and comes first"
            case .bypassedBy(let library):
                "covered, except for calls from \(library), which is bound to another definition"
            case .unknownToLibc: "not in this libc"
            }
        }
    }

    /// One name of libc.
    public struct Call: Sendable, Hashable {
        public let name: String
        public let family: PatchOptions
        public let binding: Binding
    }

    /// The families that were asked for; empty in a program that is linked statically, where nothing can be interposed.
    public let options: PatchOptions
    /// Each name that belongs to these families.
    public let calls: [Call]

    /// The names that are bound as they should be, or that this libc does not have.
    public var isComplete: Bool {
        !options.isEmpty && calls.allSatisfy { $0.binding == .bound || $0.binding == .unknownToLibc }
    }

    /// What blocks the whole thread all the same. The watchdog reports it with its name when it happens.
    public static let notCovered: [String] = [
        "system calls made directly, by syscall(2), by libraries with an assembly of their own, or through io_uring",
        "programs and libraries that are linked statically with libc",
        "what libc calls inside itself: stdio (fread, fgets, printf to a full pipe), system, pclose, getpwnam, res_query, syslog",
        "what waits by futex(2) directly: Swift's Mutex, std::atomic::wait",
        "pthread_rwlock, pthread_barrier, pthread_spin_lock, pthread_once, the initializer of a global",
        "opening a FIFO or a terminal line that waits for its other end",
        "message queues (mq_receive, msgrcv), System V semaphores (semop), sigwait and its kin",
        "page faults on mapped files, and writes that wait because too much of the page cache is dirty",
    ]

    init(options: PatchOptions) {
        self.options = options
        calls = (0..<swiftlet_interpose_count()).compactMap { index in
            let covered = swiftlet_interpose_covered(index)!
            let family = PatchOptions(rawValue: covered.pointee.family).intersection(.all)
            let isAlways = covered.pointee.family & UInt32(SWIFTLET_FAMILY_ALWAYS) != 0
            guard !options.isEmpty, isAlways || !family.isDisjoint(with: options) else { return nil }
            return Call(name: String(cString: covered.pointee.name), family: family, binding: Binding(of: covered))
        }.sorted { $0.name < $1.name }
    }

    public var description: String {
        guard !options.isEmpty else { return "nothing is covered: the program is linked statically with libc" }
        var lines: [String] = []
        for (name, option) in PatchOptions.named where options.contains(option) {
            let covered = calls.filter { $0.family.contains(option) && $0.binding == .bound }.map(\.name)
            lines.append("\(name): \(covered.joined(separator: " "))")
        }
        for call in calls where call.binding != .bound && call.binding != .unknownToLibc {
            lines.append("\(call.name): \(call.binding)")
        }
        lines.append("not covered anywhere:")
        lines += Self.notCovered.map { "  \($0)" }
        return lines.joined(separator: "\n")
    }
}

extension PatchReport.Binding {
    fileprivate init(of covered: UnsafePointer<swiftlet_covered>) {
        var who = [CChar](repeating: 0, count: 512)
        let binding = swiftlet_interpose_binding(covered, &who, who.count)
        let library = String(decoding: who.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        switch Int(binding) {
        case SWIFTLET_BOUND: self = .bound
        case SWIFTLET_NOT_FIRST: self = .precededBy(library)
        case SWIFTLET_BYPASSED: self = .bypassedBy(library)
        default: self = .unknownToLibc
        }
    }
}
