import CSwiftlet
import Glibc
import SwiftletLoop

/// The standard streams of a child that is about to be started: our ends, and what it inherits, closed here afterwards.
final class ChildStreams {
    private(set) var input: PipeWriter?
    private(set) var output: PipeReader?
    private(set) var error: PipeReader?
    /// As `swiftlet_process_plan` wants them.
    private(set) var descriptors: (CInt, CInt, CInt) = (-1, -1, -1)
    /// Held until it has been started.
    private var inherited: [AnyObject] = []

    init(_ command: Command) throws {
        switch command.standardInput {
        case .pipe:
            let pipe = try Pipe(readerPeer: "", writerPeer: "the standard input of \(command.executable)")
            input = pipe.writer
            descriptors.0 = try give(pipe.reader, pipe.reader.descriptor.number)
        case .nothing: break
        case .inherited: descriptors.0 = STDIN_FILENO
        case .file(let path): descriptors.0 = try open(path, O_RDONLY)
        }
        descriptors.1 = try connect(command.standardOutput, STDOUT_FILENO, "output", command) { output = $0 }
        descriptors.2 = try connect(command.standardError, STDERR_FILENO, "error", command) { error = $0 }
    }

    private func connect(
        _ target: Command.Output, _ number: CInt, _ name: String, _ command: Command, _ keep: (PipeReader) -> Void
    ) throws -> CInt {
        switch target {
        case .pipe:
            let pipe = try Pipe(readerPeer: "the standard \(name) of \(command.executable)", writerPeer: "")
            keep(pipe.reader)
            return try give(pipe.writer, pipe.writer.descriptor.number)
        case .nothing: return -1
        case .inherited: return number
        case .file(let path): return try open(path, O_WRONLY | O_CREAT | O_TRUNC)
        case .standardOutput: return STDOUT_FILENO
        }
    }

    /// The child's end of a pipe, which waits as programs expect it; ours does not.
    private func give(_ end: AnyObject, _ number: CInt) throws -> CInt {
        inherited.append(end)
        let flags = fcntl(number, F_GETFL)
        guard flags >= 0, fcntl(number, F_SETFL, flags & ~O_NONBLOCK) == 0 else {
            throw SocketError(.connect, "a pipe", .system(errno: errno))
        }
        return number
    }

    private func open(_ path: String, _ flags: CInt) throws -> CInt {
        let handle = FileHandle(try File.openNow(path, flags, 0o666))
        inherited.append(handle)
        return handle.number
    }
}
