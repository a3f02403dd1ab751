import CSwiftlet
import Glibc

/// Where inspectors listen: one socket a process, in a directory that only its user can enter.
package enum InspectionSocket {
    /// The directories in which sockets of a user's processes may lie; those that exist and are the user's own.
    package static func directories(of user: UInt32) -> [String] {
        var candidates: [String] = []
        if user == geteuid(), let runtime = getenv("XDG_RUNTIME_DIR"), runtime.pointee != 0 {
            candidates.append(String(cString: runtime) + "/swiftlet")
        }
        candidates += ["/run/user/\(user)/swiftlet", "/tmp/swiftlet-\(user)"]
        var seen: Set<String> = []
        return candidates.filter { seen.insert($0).inserted }.filter { isOwn($0, user) }
    }

    /// A directory that is the user's, is no link, and lets nobody else in.
    private static func isOwn(_ path: String, _ user: UInt32) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR && status.st_uid == user
            && status.st_mode & 0o077 == 0
    }

    /// Makes the directory for this process's socket.
    static func makeDirectory() throws(InspectorError) -> String {
        let user = geteuid()
        if let runtime = getenv("XDG_RUNTIME_DIR"), runtime.pointee != 0 {
            let path = String(cString: runtime) + "/swiftlet"
            if mkdir(path, 0o700) == 0 || errno == EEXIST, isOwn(path, user) { return path }
        }
        let path = "/tmp/swiftlet-\(user)"
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .cannotListen(path: path, errno: errno) }
        guard isOwn(path, user) else { throw .unsafeDirectory(path) }
        return path
    }

    /// The sockets of a user's processes: of each its process's number and its path.
    package static func all(of user: UInt32) -> [(process: CInt, path: String)] {
        directories(of: user).flatMap { directory -> [(process: CInt, path: String)] in
            guard let listing = opendir(directory) else { return [] }
            defer { closedir(listing) }
            var found: [(process: CInt, path: String)] = []
            while let entry = readdir(listing) {
                let name = withUnsafePointer(to: entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if let process = CInt(name) { found.append((process, "\(directory)/\(name)")) }
            }
            return found
        }.sorted { $0.process < $1.process }
    }

    /// Connects. Answers a descriptor, or the negative reason.
    package static func connect(to path: String) -> CInt {
        let number = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return -errno }
        let status = withAddress(path) { Glibc.connect(number, $0, $1) }
        if status == 0 { return number }
        let reason = errno
        close(number)
        return -reason
    }

    static func listen(at path: String) throws(InspectorError) -> CInt {
        let number = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw .cannotListen(path: path, errno: errno) }
        unlink(path)  // of an earlier process with our number
        // The directory keeps others out; the mode does so too, from the moment the file is there.
        fchmod(number, 0o600)
        guard withAddress(path, { bind(number, $0, $1) }) == 0, Glibc.listen(number, 16) == 0 else {
            let reason = errno
            close(number)
            throw .cannotListen(path: path, errno: reason)
        }
        return number
    }

    private static func withAddress(
        _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let fits = withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            guard path.utf8.count < bytes.count else { return false }
            bytes.copyBytes(from: path.utf8)
            return true
        }
        guard fits else {
            errno = ENAMETOOLONG
            return -1
        }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// The inspector could not be started.
public enum InspectorError: Error, Hashable, CustomStringConvertible {
    /// The socket could not be made.
    case cannotListen(path: String, errno: CInt)
    /// Somebody else owns the directory for the sockets, or may enter it.
    case unsafeDirectory(String)
    /// The signal is one that cannot be caught.
    case cannotCatch(signal: CInt)

    public var description: String {
        switch self {
        case .cannotListen(let path, let errno):
            """
            cannot listen at \(path): \(String(cString: strerror(errno))). Set XDG_RUNTIME_DIR to a directory that this \
            process may write to
            """
        case .unsafeDirectory(let path):
            "\(path) belongs to another user or lets others in: remove it, or set XDG_RUNTIME_DIR to a directory of your own"
        case .cannotCatch(let signal): "signal \(signal) cannot be caught: use SIGUSR2, say"
        }
    }
}
