/// A growing buffer that takes and gives at both ends. What it has given it keeps no longer alive.
@usableFromInline
package struct RingBuffer<Element> {
    @usableFromInline var slots: [Element?] = []
    @usableFromInline var head = 0
    @usableFromInline package var count = 0

    @inlinable
    package init() {}

    /// The slot that lies `offset` after the first; the number of slots is a power of two.
    @inlinable
    @inline(__always)
    func index(_ offset: Int) -> Int { (head &+ offset) & (slots.count &- 1) }

    @inlinable
    package mutating func append(_ element: consuming Element) {
        if count == slots.count { grow() }
        slots[index(count)] = consume element
        count += 1
    }

    @inlinable
    package mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[head].take()
        head = index(1)
        count -= 1
        return element
    }

    @inlinable
    package mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        count -= 1
        return slots[index(count)].take()
    }

    @inlinable
    package var first: Element? { count > 0 ? slots[head] : nil }

    @inlinable
    package var last: Element? { count > 0 ? slots[index(count - 1)] : nil }

    @inlinable
    package mutating func prepend(_ element: consuming Element) {
        if count == slots.count { grow() }
        head = index(-1)
        slots[head] = consume element
        count += 1
    }

    /// The element that lies so many after the first.
    @inlinable
    package subscript(offset: Int) -> Element {
        get { slots[index(offset)]! }
        set { slots[index(offset)] = newValue }
    }

    @usableFromInline
    mutating func grow() {
        var bigger = [Element?](repeating: nil, count: max(slots.count * 2, 8))
        for offset in 0..<count { bigger[offset] = slots[index(offset)].take() }
        slots = bigger
        head = 0
    }
}
