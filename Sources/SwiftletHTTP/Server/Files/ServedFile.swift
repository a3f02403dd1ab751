import CSwiftlet
import Glibc
import HTTPTypes
import SwiftletNet

/// An open file or directory that is about to be sent.
final class ServedFile: Sendable {
    private let descriptor: CInt
    private let file: File
    let isDirectory: Bool
    let length: Int
    let validators: Validators

    /// Opens what lies under a directory; no way leads out of it, neither by name nor by symbolic link.
    ///
    /// - Returns: `nil` if there is no such file, it may not be read, or it is neither file nor directory.
    init?(_ path: String, under directory: String) {
        // A name with a zero byte would be cut there.
        guard !path.utf8.contains(0) else { return nil }
        descriptor = swiftlet_open_beneath(directory, path.isEmpty ? "." : path)
        guard descriptor >= 0 else { return nil }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else {
            close(descriptor)
            return nil
        }
        let kind = information.st_mode & S_IFMT
        guard kind == S_IFREG || kind == S_IFDIR else {
            close(descriptor)
            return nil
        }
        file = File(descriptor, path: path)
        isDirectory = kind == S_IFDIR
        length = Int(information.st_size)
        let nanoseconds = information.st_mtim.tv_sec &* 1_000_000_000 &+ information.st_mtim.tv_nsec
        validators = Validators(
            entityTag: "\"\(String(UInt64(bitPattern: Int64(nanoseconds)), radix: 16))-\(String(length, radix: 16))\"",
            modified: information.st_mtim.tv_sec)
    }

    /// Writes a part of it: over a plain connection without a copy through this process.
    func write(_ range: Range<Int>, to writer: HTTPServerResponse.Writer) throws { try writer.write(file, range) }

    /// The names in a directory, in order; directories end with a slash. Hidden ones are left out.
    func names() -> [String] {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { return [] }
        guard let stream = fdopendir(copy) else {
            close(copy)
            return []
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name.hasPrefix(".") { continue }
            names.append(Int(entry.pointee.d_type) == DT_DIR ? name + "/" : name)
        }
        return names.sorted()
    }
}
