/// Bytes that grow at their end. Used by one stack at a time.
final class ByteWriter {
    private(set) var start: UnsafeMutableRawPointer
    private var capacity: Int
    private(set) var count = 0
    private let sharedFrom: Int
    /// What the bytes lie in, if others can be given it.
    private(set) var memory: SharedMemory?

    init(capacity: Int = 256) {
        self.capacity = capacity
        start = .allocate(byteCount: capacity, alignment: 16)
        sharedFrom = .max
    }

    /// - Parameter sharedFrom: with so many bytes they are written into memory that other processes can be given.
    init(sharedFrom: Int) {
        capacity = 256
        start = .allocate(byteCount: capacity, alignment: 16)
        self.sharedFrom = sharedFrom
    }

    deinit { if memory == nil { start.deallocate() } }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    /// Makes room for so many bytes more and answers where they go; they count once `advance` is called.
    @inline(__always)
    func room(for size: Int) -> UnsafeMutableRawPointer {
        if capacity - count < size { grow(by: size) }
        return start + count
    }

    @inline(__always)
    func advance(_ size: Int) { count += size }

    @inline(never)
    private func grow(by size: Int) {
        let larger = max(capacity * 2, count + size)
        // Without descriptors or memory for it, memory of this process does as well.
        let shared = larger >= sharedFrom ? SharedMemory(atLeast: larger) : nil
        let new = shared?.start ?? .allocate(byteCount: larger, alignment: 16)
        new.copyMemory(from: start, byteCount: count)
        if memory == nil { start.deallocate() }
        start = new
        capacity = shared?.capacity ?? larger
        memory = shared
    }

    /// Drops what lies behind.
    func truncate(to count: Int) { self.count = count }

    @inline(__always)
    func byte(_ value: UInt8) {
        room(for: 1).storeBytes(of: value, as: UInt8.self)
        count += 1
    }

    @inline(__always)
    func fixed<Value: BitwiseCopyable>(_ value: Value) {
        let size = MemoryLayout<Value>.size
        room(for: size).storeBytes(of: value, as: Value.self)
        count += size
    }

    /// Seven bits a byte, the low ones first.
    @inline(__always)
    func variable(_ value: UInt64) {
        if value < 0x80 { return byte(UInt8(truncatingIfNeeded: value)) }
        var rest = value
        let room = room(for: 10).assumingMemoryBound(to: UInt8.self)
        var used = 0
        while rest >= 0x80 {
            room[used] = UInt8(truncatingIfNeeded: rest) | 0x80
            rest >>= 7
            used += 1
        }
        room[used] = UInt8(truncatingIfNeeded: rest)
        count += used + 1
    }

    @inline(__always)
    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        room(for: bytes.count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    /// Appends a value as it lies in memory, and what lies between it and the next in an array.
    @inline(__always)
    func plain<Value>(_ value: Value) {
        guard MemoryLayout<Value>.size > 0 else { return }
        let room = room(for: MemoryLayout<Value>.stride)
        withUnsafeBytes(of: value) { room.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        count += MemoryLayout<Value>.stride
    }

    /// A text behind its length.
    @inline(__always)
    func text(_ text: String) {
        var text = text
        text.withUTF8 { utf8 in
            variable(UInt64(utf8.count))
            append(UnsafeRawBufferPointer(utf8))
        }
    }

    func replace<Value: BitwiseCopyable>(at offset: Int, with value: Value) {
        (start + offset).storeBytes(of: value, as: Value.self)
    }
}
