import CSwiftlet

/// Pieces of this process's memory that are read together, into memory of the batch's own.
@safe
struct PeekBatch: ~Copyable {
    private var requests: [swiftlet_peek_request] = unsafe []
    private var bytes: UnsafeMutableRawPointer
    private var used = 0
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        unsafe bytes = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit { unsafe bytes.deallocate() }

    /// Asks for some bytes. Answers the piece's number; `nil` when there is no room left for it.
    mutating func add(_ address: UInt, _ size: Int) -> Int? {
        guard used + size <= capacity, size > 0 else { return nil }
        unsafe requests.append(
            swiftlet_peek_request(to: bytes + used, from: UnsafeRawPointer(bitPattern: address), size: size, done: 0))
        used += (size + 15) & ~15
        return unsafe requests.count - 1
    }

    /// Reads all that were asked for.
    mutating func read() {
        unsafe requests.withUnsafeMutableBufferPointer { unsafe swiftlet_peek_many($0.baseAddress, $0.count) }
    }

    mutating func clear() {
        unsafe requests.removeAll(keepingCapacity: true)
        used = 0
    }

    /// What was read of a piece: empty if its memory has gone.
    func piece(_ number: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: requests[number].to, count: requests[number].done)
    }

    /// A piece that could be read whole.
    func value<Value: BitwiseCopyable>(_ number: Int, at offset: Int = 0, as type: Value.Type) -> Value? {
        let piece = unsafe piece(number)
        guard offset + MemoryLayout<Value>.size <= piece.count else { return nil }
        return unsafe piece.loadUnaligned(fromByteOffset: offset, as: type)
    }

    /// A piece up to its first zero byte, as text.
    func text(_ number: Int) -> String? {
        let piece = unsafe piece(number)
        guard unsafe !piece.isEmpty else { return nil }
        return unsafe String(decoding: piece.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Reads one value; `nil` when it has gone.
func peek<Value: BitwiseCopyable>(_ address: UInt, as type: Value.Type) -> Value? {
    unsafe withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { buffer in
        let size = MemoryLayout<Value>.size
        guard unsafe swiftlet_peek(buffer.baseAddress, UnsafeRawPointer(bitPattern: address), size) == size else {
            return nil
        }
        return unsafe buffer[0]
    }
}

/// Reads an array; `nil` when part of it has gone.
func peekArray<Value: BitwiseCopyable>(_ address: UInt, count: Int, of type: Value.Type) -> [Value]? {
    guard count > 0 else { return [] }
    let size = count * MemoryLayout<Value>.stride
    let values = unsafe [Value](unsafeUninitializedCapacity: count) { buffer, initialized in
        let done = unsafe swiftlet_peek(buffer.baseAddress, UnsafeRawPointer(bitPattern: address), size)
        initialized = done == size ? count : 0
    }
    return values.count == count ? values : nil
}

/// Reads a text of at most so many bytes.
func peekText(_ address: UInt, limit: Int = 256) -> String? {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
        count = unsafe swiftlet_peek(buffer.baseAddress, UnsafeRawPointer(bitPattern: address), limit)
    }
    guard !bytes.isEmpty else { return nil }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
}
