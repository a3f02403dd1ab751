import FoundationEssentials
import Glibc

/// What an interrupted run has finished: how often each URL. Memory: some 50 bytes a URL, whatever its length.
final class FetchedBefore {
    /// Two independent hashes of a URL: that two URLs share both does not happen.
    private struct Key: Hashable {
        let first: Int
        let second: Int

        init(_ url: String) {
            var hasher = Hasher()
            hasher.combine(url)
            first = hasher.finalize()
            hasher = Hasher()
            hasher.combine(first)
            hasher.combine(url)
            second = hasher.finalize()
        }
    }

    private struct Line: Decodable {
        struct Nothing: Decodable {}
        let url: String
        let error: Nothing?
    }

    private var counts: [Key: UInt32] = [:]
    /// All of them together.
    private(set) var total = 0

    /// Reads a file of results. Lines that are torn, or tell of a failure, are taken out of it: those URLs are fetched again.
    ///
    /// The file is replaced as a whole, so that a second interruption finds it as it was or mended. There may be none yet.
    /// A whole line that is no result means that the file is another's: it stays as it is.
    init(mending name: String) throws {
        // The file itself is replaced, not a link to it.
        let resolved = realpath(name, nil)
        defer { free(resolved) }
        let path = resolved.map { String(cString: $0) } ?? name
        guard let file = fopen(path, "r") else {
            if errno == ENOENT { return }
            throw Self.failure("--output \(path) cannot be read")
        }
        defer { fclose(file) }
        let mended = "\(path).mended-\(getpid())"
        var copy: UnsafeMutablePointer<FILE>?
        defer { if let copy { fclose(copy) } }
        var memory: UnsafeMutablePointer<CChar>?
        var capacity = 0
        defer { free(memory) }
        var kept = 0
        while case let count = getline(&memory, &capacity, file), count > 0 {
            let bytes = UnsafeRawBufferPointer(start: memory, count: count)
            if bytes.last == UInt8(ascii: "\n"), try note(bytes, of: path) {
                if let copy, fwrite(memory, 1, count, copy) != count {
                    throw Self.failure("\(mended) cannot be written")
                }
                kept += count
            } else if copy == nil {
                copy = try Self.begin(mended, with: path, upTo: kept)
            }
        }
        guard let finished = copy else { return }
        copy = nil
        var original = stat()
        let isWritten =
            fflush(finished) == 0 && fstat(fileno(file), &original) == 0
            && fchmod(fileno(finished), original.st_mode & 0o7777) == 0 && fsync(fileno(finished)) == 0
        guard fclose(finished) == 0, isWritten, rename(mended, path) == 0 else {
            let failure = Self.failure("\(mended) cannot be written")
            unlink(mended)
            throw failure
        }
    }

    /// Takes a URL off those that are finished, if it is among them.
    func take(_ url: String) -> Bool {
        let key = Key(url)
        guard let count = counts[key] else { return false }
        counts[key] = count == 1 ? nil : count - 1
        return true
    }

    /// Counts a line that tells of an answer.
    private func note(_ bytes: UnsafeRawBufferPointer, of path: String) throws -> Bool {
        let line: Line
        do {
            line = try JSONDecoder().decode(Line.self, from: Data(bytes))
        } catch {
            throw Failure.usage("--output \(path) has lines that are no results of fetch: --resume leaves it as it is")
        }
        guard line.error == nil else { return false }
        counts[Key(line.url), default: 0] += 1
        total += 1
        return true
    }

    /// A copy of the file's beginning.
    private static func begin(
        _ copy: String, with original: String, upTo size: Int
    ) throws -> UnsafeMutablePointer<FILE> {
        guard let target = fopen(copy, "w") else { throw failure("\(copy) cannot be written") }
        guard let source = fopen(original, "r") else {
            fclose(target)
            throw failure("\(original) cannot be read")
        }
        defer { fclose(source) }
        try withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            var rest = size
            while rest > 0 {
                let count = fread(buffer.baseAddress!, 1, min(rest, buffer.count), source)
                guard count > 0, fwrite(buffer.baseAddress!, 1, count, target) == count else {
                    fclose(target)
                    throw failure("\(copy) cannot be written")
                }
                rest -= count
            }
        }
        return target
    }

    private static func failure(_ what: String) -> Failure {
        Failure.usage("\(what): \(String(cString: strerror(errno)))")
    }
}
