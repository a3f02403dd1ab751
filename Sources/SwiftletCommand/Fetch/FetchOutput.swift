import Glibc
import Swiftlet

/// Where results go, each with one call to the kernel as soon as it is there: a program that is killed then has lost none.
final class FetchOutput {
    private let descriptor: CInt
    private let name: String
    /// Writing to a file never waits for long; a pipe's reader may.
    private let isFile: Bool
    /// On a terminal a line takes the place of the progress bar, which is drawn anew below it.
    private let start: String
    private let turn = Semaphore(1)
    /// Of the result that is being written.
    private var scope: CancelScope?
    /// How many bytes have gone out.
    private var taken = 0
    private(set) var isGivenUp = false

    /// - Parameters:
    ///   - path: `nil` is the standard output.
    ///   - appends: what is there stays.
    ///   - hasProgress: a progress bar may stand in the terminal's line.
    init(path: String?, appends: Bool, hasProgress: Bool) throws(Failure) {
        name = path ?? "the standard output"
        if let path {
            descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (appends ? 0 : O_TRUNC), 0o666)
            guard descriptor >= 0 else {
                throw Failure.usage("--output \(path) cannot be written: \(String(cString: strerror(errno)))")
            }
        } else {
            descriptor = STDOUT_FILENO
        }
        var status = stat()
        isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        start = hasProgress && isatty(descriptor) == 1 ? FetchProgress.emptyLine : ""
    }

    deinit { if descriptor != STDOUT_FILENO { close(descriptor) } }

    /// Writes a result. A full pipe parks the caller, whom no cancellation ends: it is a result.
    ///
    /// - Throws: `Failure`; `CancellationError` when the output was given up.
    func write(_ result: FetchResult) throws {
        var line = start + result.line
        try shielded {
            try turn.withPermit {
                try withCancelScope { scope in
                    if isGivenUp { scope.cancel() }
                    self.scope = scope
                    defer { self.scope = nil }
                    try line.withUTF8 { try writeAll(UnsafeRawBufferPointer($0)) }
                }
            }
        }
    }

    /// Waits until a reader takes nothing for so long while a result is there for it; then that and all further ones are
    /// given up.
    func giveUp(whenStuckFor patience: Duration) throws {
        while !isGivenUp {
            let (before, count) = (scope, taken)
            try sleep(patience)
            guard let before, before === scope, count == taken else { continue }
            isGivenUp = true
            before.cancel()
        }
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer) throws {
        var written = 0
        while written < bytes.count {
            var size = bytes.count - written
            if !isFile {
                _ = try waitUntilReady(descriptor, for: .writing)
                size = min(size, 4096)  // pipe(7): when it is ready, so much goes in at once (PIPE_BUF)
            }
            let count = Glibc.write(descriptor, bytes.baseAddress! + written, size)
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count >= 0 else {
                throw Failure(code: 1, reason: "\(name) cannot be written on: \(String(cString: strerror(errno)))")
            }
            written += count
            taken += count
        }
    }
}
