import Glibc
import Swiftlet

/// Reads files piece by piece, on a thread of the pool of `toThread`: a disk that is slow stops no loop.
enum FileReader {
    private static let pieceSize = 256 * 1024

    /// How long a file is.
    static func length(of path: String) throws(HTTPFileError) -> Int {
        var information = stat()
        guard stat(path, &information) == 0 else { throw HTTPFileError(path: path, errno: errno) }
        guard information.st_mode & S_IFMT == S_IFREG else { throw HTTPFileError(path: path, errno: EINVAL) }
        return Int(information.st_size)
    }

    /// Hands over so many bytes of a file.
    static func read(_ path: String, length: Int, _ take: ([UInt8]) throws -> Void) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw HTTPFileError(path: path, errno: errno) }
        defer { close(descriptor) }
        var position = 0
        while position < length {
            let (offset, count) = (position, min(pieceSize, length - position))
            let piece = try toThread { try readPiece(descriptor, path, offset, count) }
            // It has become shorter since its length was announced.
            guard !piece.isEmpty else { throw HTTPFileError(path: path, errno: EIO) }
            position += piece.count
            try take(piece)
        }
    }

    private static func readPiece(_ descriptor: CInt, _ path: String, _ offset: Int, _ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, read in
            var result: Int
            repeat {
                result = pread(descriptor, buffer.baseAddress, count, off_t(offset))
            } while result < 0 && errno == EINTR
            guard result >= 0 else { throw HTTPFileError(path: path, errno: errno) }
            read = result
        }
    }
}

/// A file that cannot be sent, read or written.
public struct HTTPFileError: Error, Sendable, Hashable, CustomStringConvertible {
    public let path: String
    /// The kernel's answer, one of the codes of errno(3).
    public let errno: CInt

    public var description: String {
        switch errno {
        case EINVAL: "\(path) is no ordinary file: read it yourself, and send it with .stream"
        case EIO: "\(path) cannot be read to its end: did it become shorter meanwhile?"
        default: "\(path): \(String(cString: strerror(errno))) (errno \(errno))"
        }
    }
}
