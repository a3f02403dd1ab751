import ArgumentParser
import Glibc

/// Standard output, written in large pieces.
struct BufferedOutput {
    private var bytes: [UInt8] = []

    /// - Throws: as `flush`.
    mutating func add(_ line: String) throws {
        bytes += line.utf8
        bytes.append(UInt8(ascii: "\n"))
        if bytes.count > 1 << 18 { try flush() }
    }

    /// - Throws: `Failure` when not all could be written; `ExitCode` when nobody reads any more, which needs no words.
    mutating func flush() throws {
        try bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = write(STDOUT_FILENO, bytes.baseAddress! + done, bytes.count - done)
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EPIPE { throw ExitCode.success }
                guard count > 0 else {
                    throw Failure(
                        code: EX_IOERR, reason: "cannot write the output: \(String(cString: strerror(errno)))")
                }
                done += count
            }
        }
        bytes.removeAll(keepingCapacity: true)
    }

    /// The columns of the terminal that shows it; `nil` if it goes elsewhere.
    static var width: Int? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) != 0, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }
}
