/// What a queue holds, in the order in which it gives.
@usableFromInline
struct ItemStore<Element> {
    @usableFromInline
    enum Order {
        case firstIn
        case lastIn
        case smallest((Element, Element) -> Bool)
    }

    @usableFromInline var items = RingBuffer<Element>()
    @usableFromInline let isLastIn: Bool
    /// In place of `items`, where elements have an order of their own.
    @usableFromInline var heap: Heap<Element>?

    @inlinable
    init(_ order: Order) {
        switch order {
        case .firstIn: isLastIn = false
        case .lastIn: isLastIn = true
        case .smallest(let precedes):
            isLastIn = false
            heap = Heap(precedes)
        }
    }

    @inlinable
    @inline(__always)
    var count: Int { heap == nil ? items.count : heap!.entries.count }

    @inlinable
    mutating func push(_ element: consuming Element) {
        if heap == nil { items.append(element) } else { heap!.push(element) }
    }

    @inlinable
    mutating func pop() -> Element? {
        if heap != nil { return heap!.pop() }
        return isLastIn ? items.popLast() : items.popFirst()
    }

    /// What `pop` would answer.
    @inlinable
    var next: Element? {
        if let heap { return heap.entries.first?.element }
        return isLastIn ? items.last : items.first
    }

    /// Takes everything out, to be dropped where no lock is held.
    @inlinable
    mutating func removeAll() -> ItemStore {
        let all = self
        items = RingBuffer()
        heap?.entries = []
        return all
    }
}
