import Glibc
import Swiftlet

/// The URLs to fetch, in their order: those of the command line, then those of a file or pipe, which is read as they are
/// wanted. Reading from a pipe or terminal parks.
final class FetchInput {
    private static let longestLine = 64 * 1024

    /// How many there are; `nil` when only reading to the end would tell.
    let total: Int?
    private var urls: ArraySlice<String>
    private let descriptor: CInt?
    private var unread: [UInt8] = []
    private var start = 0
    private var hasEnded = false

    /// - Parameter path: `-` is the standard input.
    init(urls: [String], path: String?) throws(Failure) {
        self.urls = urls[...]
        switch path {
        case nil: descriptor = nil
        case "-": descriptor = STDIN_FILENO
        case .some(let path):
            let number = open(path, O_RDONLY | O_CLOEXEC)
            guard number >= 0 else {
                throw Failure.usage(
                    "--input \(path) cannot be read: \(String(cString: strerror(errno)))"
                )
            }
            descriptor = number
            var status = stat()
            guard fstat(number, &status) != 0 || status.st_mode & S_IFMT != S_IFDIR else {
                throw Failure.usage("--input \(path) is a directory: it takes a file of URLs")
            }
        }
        let lines: Int? = if let descriptor { Self.countLines(descriptor) } else { 0 }
        total = lines.map { $0 + urls.count }
    }

    deinit { if let descriptor, descriptor != STDIN_FILENO { close(descriptor) } }

    /// The next URL; `nil` at the end. One that is too long to be one comes cut.
    ///
    /// Cancellation: ends the wait.
    func next() throws -> (url: String, isCut: Bool)? {
        if let url = urls.popFirst() { return (url, false) }
        while let (line, isCut) = try nextLine() {
            // Blanks, and the carriage returns of files from elsewhere.
            guard let first = line.firstIndex(where: { $0 > UInt8(ascii: " ") }),
                let last = line.lastIndex(where: { $0 > UInt8(ascii: " ") })
            else { continue }
            return (String(decoding: line[first...last], as: UTF8.self), isCut)
        }
        return nil
    }

    private func nextLine() throws -> (line: [UInt8], isCut: Bool)? {
        var line: [UInt8] = []
        var isCut = false
        while true {
            if start == unread.count, try !fill() { return line.isEmpty && !isCut ? nil : (line, isCut) }
            let end = unread[start...].firstIndex(of: UInt8(ascii: "\n"))
            let room = Self.longestLine - line.count
            let piece = unread[start..<(end ?? unread.count)]
            line += piece.prefix(room)
            isCut = isCut || piece.count > room
            start = end.map { $0 + 1 } ?? unread.count
            if end != nil { return (line, isCut) }
        }
    }

    /// Reads more; false at the end.
    private func fill() throws -> Bool {
        guard let descriptor, !hasEnded else { return false }
        _ = try waitUntilReady(descriptor, for: .reading)
        var count = 0
        unread = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { buffer, size in
            repeat { count = read(descriptor, buffer.baseAddress, buffer.count) } while count < 0 && errno == EINTR
            size = max(count, 0)
        }
        start = 0
        if count < 0 {
            throw Failure(code: 1, reason: "the input cannot be read on: \(String(cString: strerror(errno)))")
        }
        hasEnded = count == 0
        return !hasEnded
    }

    /// How many lines of a file are not empty, for the progress bar; `nil` for what can be read only once.
    private static func countLines(_ descriptor: CInt) -> Int? {
        let position = lseek(descriptor, 0, SEEK_CUR)
        guard position >= 0 else { return nil }
        var (lines, isInLine) = (0, false)
        withUnsafeTemporaryAllocation(byteCount: 64 * 1024, alignment: 16) { buffer in
            while case let count = read(descriptor, buffer.baseAddress, buffer.count), count > 0 {
                for byte in buffer[..<count] {
                    if byte == UInt8(ascii: "\n") {
                        isInLine = false
                    } else if !isInLine, byte > UInt8(ascii: " ") {
                        isInLine = true
                        lines += 1
                    }
                }
            }
        }
        lseek(descriptor, position, SEEK_SET)
        return lines
    }
}
