import Glibc
import Swiftlet
import SwiftletHTTP

/// A directory for bodies. A file is there as a whole or not at all.
final class SaveDirectory {
    private let path: String
    private var lastNumber = 0

    /// Makes the directory if there is none.
    init(_ path: String) throws(Failure) {
        self.path = path
        guard mkdir(path, 0o777) == 0 || errno == EEXIST, access(path, W_OK | X_OK) == 0 else {
            throw Failure(
                code: Fetch.usageCode,
                reason: "--save \(path) is no directory to write to: \(String(cString: strerror(errno)))")
        }
    }

    /// Saves a body; what a URL gave before is replaced.
    ///
    /// Cancellation: ends the wait for the disk; nothing is left then.
    /// - Returns: the file's path.
    func save(_ body: [UInt8], of url: HTTPURL) throws -> String {
        lastNumber += 1
        let name = Self.name(for: url)
        let target = "\(path)/\(name)"
        let partial = "\(path)/.\(lastNumber)-\(getpid()).partial"
        // On a thread of its own: the disk may take its time, and the file must be there before its result is.
        let problem: CInt = try toThread {
            let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
            guard descriptor >= 0 else { return errno }
            var problem: CInt = 0
            body.withUnsafeBytes { bytes in
                var written = 0
                while problem == 0, written < bytes.count {
                    let count = write(descriptor, bytes.baseAddress! + written, bytes.count - written)
                    if count >= 0 { written += count } else if errno != EINTR { problem = errno }
                }
            }
            if problem == 0, fdatasync(descriptor) != 0 { problem = errno }
            close(descriptor)
            if problem == 0, rename(partial, target) != 0 { problem = errno }
            if problem != 0 { unlink(partial) }
            return problem
        }
        guard problem == 0 else {
            throw Failure(code: 1, reason: "\(target) cannot be written: \(String(cString: strerror(problem)))")
        }
        return target
    }

    /// A name that is safe in any directory and tells where the body came from: what is no letter, digit, dot or hyphen
    /// becomes an underscore, and a hash of the URL keeps those apart that look alike then.
    static func name(for url: HTTPURL) -> String {
        var text = url.description
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        text.withUTF8 { bytes in for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 } }
        let words = (url.authority + url.requestTarget).unicodeScalars.prefix(120).map { scalar in
            let isSafe =
                scalar.isASCII && (scalar.properties.isAlphabetic || "0123456789-.".unicodeScalars.contains(scalar))
            return isSafe ? Character(scalar) : "_"
        }
        let digits = String(hash, radix: 16)
        return String(words) + "-" + String(repeating: "0", count: 16 - digits.count) + digits
    }
}
