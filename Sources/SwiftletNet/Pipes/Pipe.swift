import CSwiftlet

/// Two ends that are connected in one direction: what is written to one is read from the other.
///
/// ```swift
/// let pipe = try Pipe()
/// spawn { try pipe.writer.write("hello\n") }
/// print(try BufferedReader(pipe.reader).readLine()!)
/// ```
public struct Pipe: Sendable {
    public let reader: PipeReader
    public let writer: PipeWriter

    /// Makes a pipe.
    ///
    /// - Throws: `SocketError`.
    public init() throws {
        try self.init(readerPeer: "the writer of a pipe", writerPeer: "the reader of a pipe")
    }

    init(readerPeer: String, writerPeer: String) throws {
        var (reading, writing): (CInt, CInt) = (-1, -1)
        let status = swiftlet_pipe_make(&reading, &writing)
        guard status == 0 else { throw SocketError(.connect, readerPeer, .init(status: status)) }
        reader = PipeReader(owning: reading, peerName: readerPeer)
        writer = PipeWriter(owning: writing, peerName: writerPeer)
    }
}
