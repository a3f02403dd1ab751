import CSwiftletPool
import Glibc

/// Bytes that came with a frame, or that will go with one, and that outlive it.
package final class Payload: @unchecked Sendable {
    private enum Origin {
        case allocated
        case shared
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

    /// Takes over a descriptor of shared memory.
    init(shared descriptor: CInt, size: Int) throws(WireError) {
        guard let memory = swiftlet_pool_map(descriptor, size) else { throw .system("map shared memory", errno) }
        bytes = UnsafeRawBufferPointer(start: memory, count: size)
        origin = .shared
    }

    deinit {
        switch origin {
        case .allocated: bytes.deallocate()
        case .shared: swiftlet_pool_unmap(bytes.baseAddress, bytes.count)
        case .written: break
        }
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
