import Glibc
import SwiftletLoop

/// Waits for connections of processes of this machine, at the path of a Unix socket.
public typealias UnixListener = SocketListener<UnixConnection>

extension SocketListener where Connection == UnixConnection {
    /// Begins to listen. The file is made, and removed when the listener is closed.
    ///
    /// A file that an earlier listener left behind is replaced; one at which somebody listens is not.
    ///
    /// - Parameters:
    ///   - path: of at most 107 bytes; with `@` first, a name in the kernel's abstract namespace, which makes no file.
    ///   - backlog: connections that may wait to be accepted; the kernel caps it at net.core.somaxconn.
    ///   - permissions: of the file, less the process's umask: who may write to it may connect. By default everybody whom
    ///     the umask allows.
    /// - Throws: `SocketError`.
    public convenience init(path: String, backlog: Int = 4096, permissions: UInt32? = nil) throws {
        let address = try UnixConnection.address(path, .listen)
        if isLeftBehind(address) { unlink(path) }
        try self.init(at: address, backlog: backlog, permissions: permissions)
    }
}

/// A socket's file at which nobody listens any more.
private func isLeftBehind(_ address: SocketAddress) -> Bool {
    guard let path = address.unixPath, fileKind(path) == S_IFSOCK else { return false }
    do {
        try UnixConnection.open(address, until: .now).close()
        return false
    } catch let error as SocketError {
        return error.reason == .system(errno: ECONNREFUSED)
    } catch {
        return false
    }
}

private func fileKind(_ path: String) -> mode_t? {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : nil
}

/// The file that binding a Unix socket has made; gone when the listener is closed, unless another has taken its path.
struct SocketFile: Sendable {
    private let path: String
    private let device: dev_t
    private let number: ino_t

    init?(of address: SocketAddress) {
        var status = stat()
        guard let path = address.unixPath, !path.hasPrefix("@"), lstat(path, &status) == 0 else { return nil }
        (self.path, device, number) = (path, status.st_dev, status.st_ino)
    }

    func remove() {
        var status = stat()
        if lstat(path, &status) == 0, status.st_dev == device, status.st_ino == number { unlink(path) }
    }
}
