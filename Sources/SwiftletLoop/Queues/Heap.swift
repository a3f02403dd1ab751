/// A binary heap; equal elements come out in the order in which they went in.
@usableFromInline
struct Heap<Element> {
    @usableFromInline let precedes: (Element, Element) -> Bool
    @usableFromInline var entries: [(element: Element, number: Int)] = []
    @usableFromInline var lastNumber = 0

    @inlinable
    init(_ precedes: @escaping (Element, Element) -> Bool) { self.precedes = precedes }

    @inlinable
    func isOrdered(_ left: Int, _ right: Int) -> Bool {
        if precedes(entries[left].element, entries[right].element) { return true }
        if precedes(entries[right].element, entries[left].element) { return false }
        return entries[left].number < entries[right].number
    }

    @inlinable
    mutating func push(_ element: consuming Element) {
        lastNumber += 1
        entries.append((element, lastNumber))
        var child = entries.count - 1
        while child > 0, isOrdered(child, (child - 1) / 2) {
            entries.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    @inlinable
    mutating func pop() -> Element? {
        guard !entries.isEmpty else { return nil }
        entries.swapAt(0, entries.count - 1)
        let element = entries.removeLast().element
        var parent = 0
        while 2 * parent + 1 < entries.count {
            var child = 2 * parent + 1
            if child + 1 < entries.count, isOrdered(child + 1, child) { child += 1 }
            guard isOrdered(child, parent) else { break }
            entries.swapAt(child, parent)
            parent = child
        }
        return element
    }
}
