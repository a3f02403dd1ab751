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
            throw Failure.usage("--save \(path) is no directory to write to: \(String(cString: strerror(errno)))")
        }
    }

    /// Removes what killed runs have left unfinished; what belongs to a living process stays.
    func removeLeftovers() throws(Failure) {
        guard let directory = opendir(path) else {
            throw Failure.usage("--save \(path) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            // As `begin` makes them: .NUMBER-PROCESS.partial
            guard let found = name.wholeMatch(of: /\.\d+-(\d+)\.partial/), let owner = pid_t(found.1) else { continue }
            let isLeftBehind = owner == getpid() || kill(owner, 0) != 0 && errno == ESRCH
            if isLeftBehind { unlink("\(path)/\(name)") }
        }
    }

    /// Begins to save a body.
    func begin(_ url: HTTPURL) throws(Failure) -> SavedBody {
        lastNumber += 1
        return try SavedBody(
            at: "\(path)/\(Self.name(for: url))", partial: "\(path)/.\(lastNumber)-\(getpid()).partial")
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

/// A body on its way to the disk, under a name of its own until it is complete.
final class SavedBody {
    private let target: String
    private let partial: String
    private var descriptor: CInt

    init(at target: String, partial: String) throws(Failure) {
        self.target = target
        self.partial = partial
        descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        if descriptor < 0 { throw failure(errno) }
    }

    deinit { close() }

    func append(_ bytes: [UInt8]) throws(Failure) {
        let problem: CInt = bytes.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let count = write(descriptor, bytes.baseAddress! + written, bytes.count - written)
                if count < 0, errno != EINTR { return errno }
                written += max(count, 0)
            }
            return 0
        }
        if problem != 0 { throw failure(problem) }
    }

    /// Gives the body its name, in the place of what the URL gave before, once it is on the disk: so it is there before its
    /// result is, whatever happens to the machine.
    ///
    /// Cancellation: ends the wait for the disk; nothing is left then.
    /// - Returns: the file's path.
    func finish() throws -> String {
        let (descriptor, partial, target) = (descriptor, partial, target)
        let problem: CInt = try toThread {
            fdatasync(descriptor) == 0 && rename(partial, target) == 0 ? 0 : errno
        }
        if problem != 0 { throw failure(problem) }
        Glibc.close(descriptor)
        self.descriptor = -1
        return target
    }

    /// Takes back what is not finished.
    func close() {
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
        unlink(partial)
    }

    private func failure(_ number: CInt) -> Failure {
        Failure(code: 1, reason: "\(target) cannot be written: \(String(cString: strerror(number)))")
    }
}
