/// The four bytes that a client's payload is combined with (RFC 6455, 5.3).
struct MaskingKey: Hashable {
    /// The key, its first byte lowest.
    private var word: UInt32

    init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        word = UInt32(first) | UInt32(second) << 8 | UInt32(third) << 16 | UInt32(fourth) << 24
    }

    init(word: UInt32) { self.word = word }

    /// The key as it applies behind `count` bytes.
    func advanced(by count: Int) -> MaskingKey {
        let shift = UInt32(truncatingIfNeeded: count & 3) * 8
        return MaskingKey(word: shift == 0 ? word : word >> shift | word << (32 - shift))
    }

    func write(to bytes: inout [UInt8]) {
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }

    /// Appends a payload, masked or unmasked, in one pass over it.
    func apply(to source: UnsafeBufferPointer<UInt8>, appendingTo target: inout [UInt8]) {
        guard let from = source.baseAddress else { return }
        target.append(addingCapacity: source.count) { output in
            output.withUnsafeMutableBufferPointer { room, used in
                // The array has made room for so many bytes, and nothing else has its memory.
                combine(UnsafeRawPointer(from), UnsafeMutableRawPointer(room.baseAddress! + used), source.count)
                used += source.count
            }
        }
    }

    /// Word by word; the compiler makes vectors of it.
    private func combine(_ source: UnsafeRawPointer, _ target: UnsafeMutableRawPointer, _ count: Int) {
        let wide = UInt64(word) << 32 | UInt64(word)
        let words = count & ~7
        var index = 0
        while index < words {
            let value = source.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ wide
            target.storeBytes(of: value, toByteOffset: index, as: UInt64.self)
            index &+= 8
        }
        while index < count {
            let key = UInt8(truncatingIfNeeded: word >> (UInt32(truncatingIfNeeded: index & 3) * 8))
            target.storeBytes(
                of: source.load(fromByteOffset: index, as: UInt8.self) ^ key, toByteOffset: index, as: UInt8.self)
            index &+= 1
        }
    }
}

/// Keys that nobody can foresee, so that a script cannot choose the bytes on the wire (RFC 6455, 10.3). Drawn in
/// batches: each call of the system's generator costs as much as sending a small message.
struct MaskingKeys {
    private var batch: [UInt32] = []

    mutating func next() -> MaskingKey {
        if batch.isEmpty {
            var generator = SystemRandomNumberGenerator()
            batch = (0..<32).flatMap { _ in
                let word = generator.next()
                return [UInt32(truncatingIfNeeded: word), UInt32(truncatingIfNeeded: word >> 32)]
            }
        }
        return MaskingKey(word: batch.removeLast())
    }
}
