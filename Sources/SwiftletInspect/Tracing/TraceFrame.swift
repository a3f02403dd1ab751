/// A piece of a recording on its way to the command: sixteen bytes that say what follows, and that.
package struct TraceFrame {
    package enum Kind: UInt32 {
        /// `swiftlet_trace_event`s of a loop.
        case events = 1
        /// The text at an address of the process: where fibers are spawned.
        case text = 2
        /// A loop's thread: its number as the address, its name.
        case loop = 3
        /// So many events of a loop were lost, since they came faster than they could be sent.
        case lost = 4
        /// What a descriptor is.
        case descriptor = 5
    }

    package static let headerSize = 16
    package let kind: Kind
    package let loop: Int
    package let size: Int

    package init(_ kind: Kind, loop: Int, size: Int) {
        self.kind = kind
        self.loop = loop
        self.size = size
    }

    package init?(header: [UInt8]) {
        guard header.count == Self.headerSize else { return nil }
        let (word, loop, size) = header.withUnsafeBytes {
            (
                $0.loadUnaligned(as: UInt32.self), $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self),
                $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
        guard let kind = Kind(rawValue: word) else { return nil }
        self.init(kind, loop: Int(loop), size: Int(clamping: size))
    }

    var header: [UInt8] {
        var bytes: [UInt8] = []
        withUnsafeBytes(of: kind.rawValue) { bytes += $0 }
        withUnsafeBytes(of: UInt32(loop)) { bytes += $0 }
        withUnsafeBytes(of: UInt64(size)) { bytes += $0 }
        return bytes
    }
}
