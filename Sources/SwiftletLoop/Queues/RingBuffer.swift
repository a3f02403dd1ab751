/// A growing buffer that gives from both ends.
@usableFromInline
struct RingBuffer<Element> {
    @usableFromInline var slots: [Element?] = []
    @usableFromInline var head = 0
    @usableFromInline var count = 0

    @inlinable
    init() {}

    /// The slot that lies `offset` after the first; the number of slots is a power of two.
    @inlinable
    @inline(__always)
    func index(_ offset: Int) -> Int { (head &+ offset) & (slots.count &- 1) }

    @inlinable
    mutating func append(_ element: consuming Element) {
        if count == slots.count { grow() }
        slots[index(count)] = consume element
        count += 1
    }

    @inlinable
    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[head].take()
        head = index(1)
        count -= 1
        return element
    }

    @inlinable
    mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        count -= 1
        return slots[index(count)].take()
    }

    @inlinable
    var first: Element? { count > 0 ? slots[head] : nil }

    @inlinable
    var last: Element? { count > 0 ? slots[index(count - 1)] : nil }

    @usableFromInline
    mutating func grow() {
        var bigger = [Element?](repeating: nil, count: max(slots.count * 2, 8))
        for offset in 0..<count { bigger[offset] = slots[index(offset)].take() }
        slots = bigger
        head = 0
    }
}
