import Glibc

/// Bytes that came with a frame, or that will go with one, and that outlive it.
package final class Payload: @unchecked Sendable {
    private enum Origin {
        case allocated
        case lent(LentMemory)
        case written(ByteWriter)
    }

    package let bytes: UnsafeRawBufferPointer
    private let origin: Origin

    /// Copies the bytes.
    package init(copying source: UnsafeRawBufferPointer) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 16)
        copy.copyMemory(from: source)
        bytes = UnsafeRawBufferPointer(copy)
        origin = .allocated
    }

    /// Keeps what was written. Nothing may be written any more.
    init(_ writer: ByteWriter) {
        bytes = writer.bytes
        origin = .written(writer)
    }

    init(_ memory: LentMemory) throws(WireError) {
        bytes = try memory.bytes()
        origin = .lent(memory)
    }

    deinit { if case .allocated = origin { bytes.deallocate() } }

    /// What the bytes lie in, if others can be given it.
    var memory: SharedMemory? {
        guard case .written(let writer) = origin else { return nil }
        return writer.memory
    }
}

/// The socket between a pool and a worker failed, or something came over it that makes no sense.
struct WireError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    static func system(_ operation: String, _ errno: CInt) -> WireError {
        WireError("cannot \(operation): \(String(cString: strerror(errno))) (errno \(errno))")
    }
}
