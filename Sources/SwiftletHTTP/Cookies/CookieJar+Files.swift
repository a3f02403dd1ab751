import FoundationEssentials
import Glibc
import Swiftlet

// One JSON object a cookie: the file can be read, and mended, by people and by other programs.

extension CookieJar {
    private struct Saved: Codable {
        var name: String
        var value: String
        var domain: String
        var path: String
        var hostOnly: Bool
        var secure: Bool
        var httpOnly: Bool
        var expires: Int64?
        var sameSite: String?
    }

    /// Writes the cookies to a file that only its owner may read. It replaces an older file at once or not at all.
    ///
    /// - Parameters:
    ///   - path: where the file is.
    ///   - includesSession: also those that end with the session.
    /// - Throws: `HTTPFileError`.
    public func save(to path: String, includesSession: Bool = true) throws {
        let saved = cookies.filter { includesSession || $0.expires != nil }.map { cookie in
            Saved(
                name: cookie.name, value: cookie.value, domain: cookie.domain ?? "", path: cookie.path ?? "/",
                hostOnly: cookie.isHostOnly, secure: cookie.isSecure, httpOnly: cookie.isHTTPOnly,
                expires: cookie.expires, sameSite: cookie.sameSite?.rawValue)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let bytes = Array(try encoder.encode(saved))
        try toThread {
            let temporary = "\(path).\(getpid()).new"
            let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw HTTPFileError(path: temporary, errno: errno) }
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes {
                    write(descriptor, $0.baseAddress! + written, bytes.count - written)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else {
                    let error = HTTPFileError(path: temporary, errno: errno)
                    close(descriptor)
                    unlink(temporary)
                    throw error
                }
                written += count
            }
            guard fsync(descriptor) == 0, close(descriptor) == 0, rename(temporary, path) == 0 else {
                throw HTTPFileError(path: path, errno: errno)
            }
        }
    }

    /// Adds the cookies of a file that `save` wrote.
    ///
    /// - Throws: `HTTPFileError`; `DecodingError`.
    public func load(from path: String) throws {
        let length = try FileReader.length(of: path)
        var bytes: [UInt8] = []
        try FileReader.read(path, length: length) { bytes += $0 }
        let saved = try JSONDecoder().decode([Saved].self, from: Data(bytes))
        restore(
            saved.enumerated().compactMap { index, saved in
                guard var cookie = HTTPCookie(saved.name, saved.value) else { return nil }
                cookie.isHostOnly = saved.hostOnly
                cookie.isSecure = saved.secure
                cookie.isHTTPOnly = saved.httpOnly
                cookie.expires = saved.expires
                cookie.sameSite = saved.sameSite.flatMap(HTTPCookie.SameSite.init)
                return Entry(cookie: cookie, domain: saved.domain, path: saved.path, order: index)
            })
    }
}
