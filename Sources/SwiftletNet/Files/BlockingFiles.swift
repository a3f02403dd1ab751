import CSwiftlet
import Glibc

// What `FileSystem` does on threads that may block.

/// Reads to the end.
func readNow(_ handle: FileHandle, _ path: String, limit: Int) throws -> [UInt8] {
    var status = stat()
    guard fstat(handle.number, &status) == 0 else { throw FileError(.read, path, errno: errno) }
    // Files of /proc and /sys say that they are empty.
    var piece = max(Int(status.st_size) + 1, 4096)
    var all: [UInt8] = []
    while true {
        let size = piece
        let more = try [UInt8](unsafeUninitializedCapacity: size) { bytes, count in
            let status = swiftlet_file_read(handle.number, bytes.baseAddress, size, all.count, false)
            guard status >= 0 else { throw FileError(.read, path, errno: -status) }
            count = status
        }
        if more.isEmpty { return all }
        guard more.count <= limit - all.count else { throw FileError(.read, path, .limitExceeded(limit)) }
        if all.isEmpty { all = more } else { all += more }
        piece = 64 * 1024
    }
}

func listNow(_ path: String) throws -> [FileSystem.Entry] {
    guard let directory = opendir(path) else { throw FileError(.list, path, errno: errno) }
    defer { closedir(directory) }
    var entries: [FileSystem.Entry] = []
    while true {
        errno = 0
        guard let entry = readdir(directory) else {
            guard errno == 0 else { throw FileError(.list, path, errno: errno) }
            return entries.sorted { $0.name < $1.name }
        }
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
            String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name == "." || name == ".." { continue }
        // Some file systems tell the kind with the name; others have to be asked.
        var mode = mode_t(entry.pointee.d_type) << 12
        if mode == 0 {
            var status = stat()
            if fstatat(dirfd(directory), name, &status, AT_SYMLINK_NOFOLLOW) == 0 { mode = status.st_mode }
        }
        entries.append(FileSystem.Entry(name: name, kind: FileSystem.Kind(mode)))
    }
}

/// A file that is written beside another and takes its place.
struct Replacement {
    private let path: String
    private let target: String
    private let directory: String
    private let temporary: String

    init(of path: String) throws {
        self.path = path
        let resolved = realpath(path, nil)
        defer { free(resolved) }
        let target = resolved.map { String(cString: $0) } ?? path
        let slash = target.lastIndex(of: "/")
        directory = slash.map { String(target[...$0]) } ?? "./"
        let name = slash.map { String(target[target.index(after: $0)...]) } ?? target
        self.target = target
        temporary = "\(directory).\(name).\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    }

    func write(_ bytes: [UInt8], _ permissions: UInt32) throws {
        do {
            let handle = FileHandle(try File.openNow(temporary, O_WRONLY | O_CREAT | O_EXCL, permissions))
            do {
                var status = stat()
                if stat(target, &status) == 0, fchmod(handle.number, status.st_mode & 0o7777) != 0 {
                    throw FileError(.replace, path, errno: errno)
                }
                try writeNow(bytes, to: handle, path)
                try sync(handle)
                guard rename(temporary, target) == 0 else { throw FileError(.replace, path, errno: errno) }
            } catch {
                unlink(temporary)
                throw error
            }
            // Only now does the new name survive a crash too.
            try sync(FileHandle(try File.openNow(directory, O_RDONLY | O_DIRECTORY, 0)))
        } catch let error as FileError {
            throw FileError(.replace, path, error.reason)  // not that of the file beside it
        }
    }

    private func sync(_ handle: FileHandle) throws {
        let status = swiftlet_file_sync(handle.number)
        guard status == 0 else { throw FileError(.sync, path, errno: -status) }
    }
}
