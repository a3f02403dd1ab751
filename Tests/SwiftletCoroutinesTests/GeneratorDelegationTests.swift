import SwiftletCoroutines
import TestSupport
import Testing

/// `yield from`, nested generators, and generators in tasks.
@Suite struct GeneratorDelegationTests {
    @Test func elementsSendsAndTheResultPassThrough() throws {
        let outer = Echo { yield in
            let inner = try yield.from(makeEcho())
            _ = try yield(100)
            return "outer after \(inner)"
        }
        #expect(try outer.start() == 0)
        #expect(try outer.send(2) == 4)
        #expect(try outer.send(3) == 6)
        #expect(try outer.send(-5) == 100)
        #expect(try outer.send(0) == nil)
        #expect(try outer.outcome?.get() == "outer after ended by -5")
    }

    @Test func throwPassesToTheInner() throws {
        let inner = Echo { yield in
            do { _ = try yield(1) } catch let failure as Failure { _ = try yield(failure.number) }
            return "inner"
        }
        let outer = Echo { yield in try yield.from(inner) }
        _ = try outer.start()
        #expect(try outer.throw(Failure(42)) == 42)
        #expect(inner.state == .suspended)
        #expect(throws: Failure(43)) { try outer.throw(Failure(43)) }
        #expect(inner.state == .closed)
        #expect(outer.state == .closed)
    }

    @Test func closePassesToTheInner() throws {
        let journal = Journal<String>()
        let inner = Generator<Int> { yield in
            defer { journal.note("inner") }
            try yield(1)
        }
        let outer = Generator<Int> { yield in
            defer { journal.note("outer") }
            try yield.from(inner)
        }
        _ = try outer.next()
        try outer.close()
        #expect(journal.entries == ["inner", "outer"])
        #expect(inner.state == .closed)
    }

    @Test func sequencesCanBeDelegatedTo() {
        let generator = Generator<Int> { yield in
            try yield.from([1, 2])
            try yield.from(5..<7)
        }
        #expect(Array(generator) == [1, 2, 5, 6])
    }

    @Test func aStartedInnerContinuesWhereItStands() throws {
        let inner = Generator<Int> { yield in for n in 0..<4 { try yield(n) } }
        _ = try inner.next()
        let outer = Generator<Int> { yield in try yield.from(inner) }
        #expect(Array(outer) == [1, 2, 3])
        #expect(outer.failure == nil)
    }

    @Test func nestedToDepthFour() {
        func layer(_ depth: Int) -> Generator<Int> {
            Generator<Int> { yield in
                if depth == 0 { return try yield(0) }
                for element in layer(depth - 1) {
                    try yield(element)
                    try yield(depth)
                }
            }
        }
        #expect(Array(layer(4)) == [0, 4, 3, 4, 2, 4, 3, 4, 1, 4, 3, 4, 2, 4, 3, 4])
    }

    @Test func allPermutationsOfFour() {
        func permutations(_ elements: [Int]) -> Generator<[Int]> {
            Generator<[Int]> { yield in
                if elements.count <= 1 { return try yield(elements) }
                for (index, element) in elements.enumerated() {
                    var rest = elements
                    rest.remove(at: index)
                    for tail in permutations(rest) { try yield([element] + tail) }
                }
            }
        }
        let all = Array(permutations([1, 2, 3, 4]))
        #expect(all.count == 24)
        #expect(Set(all).count == 24)
        #expect(all.allSatisfy { $0.sorted() == [1, 2, 3, 4] })
        #expect(all.first == [1, 2, 3, 4] && all.last == [4, 3, 2, 1])
    }

    enum Context { @TaskLocal static var value = "none" }

    @Test func taskLocalsAreVisibleInside() async throws {
        // In a task no thread is promised after an await: make and use it in one piece.
        let seen = Context.$value.withValue("outer") {
            let generator = Generator<String> { yield in
                try yield(Context.value)
                try yield(Context.value)
                try yield("\(withUnsafeCurrentTask { $0 != nil })")
            }
            var seen = [(try? generator.next()) ?? "?"]
            Context.$value.withValue("inner") { seen.append((try? generator.next()) ?? "?") }
            seen.append((try? generator.next()) ?? "?")
            return seen
        }
        #expect(seen == ["outer", "inner", "true"])
    }

    @Test func exclusiveAccessesStayApart() throws {
        final class Box { var x = 0 }
        let box = Box()
        func bump(_ value: inout Int, _ yield: Yielder<Int, Void>) throws {
            value += 1
            try yield(value)
            value += 1
        }
        let generator = Generator<Int> { yield in try bump(&box.x, yield) }
        let other = Generator<Int> { yield in
            let mine = Box()
            try bump(&mine.x, yield)
        }
        #expect(try generator.next() == 1)
        #expect(try other.next() == 1)
        #expect(try generator.next() == nil)
        #expect(try other.next() == nil)
        #expect(box.x == 2)
    }
}
