import SwiftletCoroutines
import TestSupport
import Testing

@Suite struct GreenletTests {
    @Test func turnsAlternate() async throws {
        try await onFreshThread { () throws -> Void in
            let journal = Journal<Int>()
            let other = Greenlet<Void> { _ in
                journal.note(1)
                try Greenlet<Void>.current.parent!.switch()
                journal.note(3)
            }
            journal.note(0)
            try other.switch()
            journal.note(2)
            try other.switch()
            journal.note(4)
            #expect(journal.entries == [0, 1, 2, 3, 4])
            #expect(other.isDead)
        }
    }

    @Test func messagesPassBothWays() async throws {
        try await onFreshThread { () throws -> Void in
            let other = Greenlet<Int> { first in
                let second = try Greenlet<Int>.current.parent!.switch(first + 1)!
                let third = try Greenlet<Int>.current.parent!.switch(second + 1)!
                return third + 1
            }
            #expect(!other.isActive && !other.isDead)
            #expect(try other.switch(10) == 11)
            #expect(other.isActive && !other.isDead)
            #expect(try other.switch(20) == 21)
            #expect(try other.switch(30) == 31)  // its return value
            #expect(!other.isActive && other.isDead)
        }
    }

    @Test func bodiesMayReturnNothingOrAnOptional() async throws {
        try await onFreshThread { () throws -> Void in
            #expect(try Greenlet<Int> { _ in }.switch(1) == nil)
            #expect(try Greenlet<Int> { Optional($0) }.switch(1) == 1)
            #expect(try Greenlet<Int> { _ in Int?.none }.switch(1) == nil)
            #expect(throws: GreenletError.resultIsNoMessage("String")) { try Greenlet<Int> { _ in "x" }.switch(1) }
            #expect(throws: GreenletError.missingFirstMessage) { try Greenlet<Int> { $0 }.switch() }
        }
    }

    @Test func anErrorSurfacesInTheParent() async throws {
        try await onFreshThread { () throws -> Void in
            let failing = Greenlet<Int> { throw Failure($0) }
            #expect(throws: Failure(5)) { try failing.switch(5) }
            #expect(failing.isDead)
        }
    }

    @Test func currentAndDescription() async throws {
        try await onFreshThread { () throws -> Void in
            let main = Greenlet<Int>.current
            #expect(main == Greenlet<Int>.current)
            #expect(main.parent == nil)
            let box = Box<Greenlet<Int>?>(nil)
            let other = Greenlet<Int>(name: "worker") { _ in box.value = .current }
            #expect(other.parent == main)
            #expect(other.description == "<Greenlet worker unstarted>")
            try other.switch(1)
            #expect(box.value == other)
            #expect(main.description == "<Greenlet main active>")
        }
    }

    @Test func switchingToOneselfReturnsTheMessage() async throws {
        try await onFreshThread { () throws -> Void in
            #expect(try Greenlet<Int>.current.switch(3) == 3)
            let other = Greenlet<Int> { try Greenlet<Int>.current.switch($0 * 2)! + 1 }
            #expect(try other.switch(4) == 9)
        }
    }

    @Test func aFinishedOnePassesControlToItsNearestLiveParent() async throws {
        try await onFreshThread { () throws -> Void in
            let journal = Journal<String>()
            let grandparent = Greenlet<String>(name: "grandparent") { _ in
                let mine = Greenlet<String>.current
                let parent = Greenlet<String>(parent: mine) { $0 }
                let child = Greenlet<String>(parent: parent) { $0 }
                _ = try child.switch("a")  // ends: starts parent with "a", which ends: back here
                #expect(child.isDead && parent.isDead)
                journal.note(try child.switch("b") ?? "nil")
                let outside = Greenlet<String>(parent: Greenlet<String>.current.parent!) { _ in
                    try child.switch("from outside")  // to its nearest live ancestor: here
                }
                journal.note(try outside.switch("go") ?? "nil")
            }
            try grandparent.switch("start")
            #expect(journal.entries == ["b", "from outside"])
        }
    }

    @Test func throwIntoSuspendedRunsCatchAndDeferThere() async throws {
        try await onFreshThread { () throws -> Void in
            let journal = Journal<String>()
            let box = Box<Greenlet<Int>?>(nil)
            let other = Greenlet<Int> { _ in
                defer { journal.note("defer \(Greenlet<Int>.current == box.value)") }
                do {
                    _ = try Greenlet<Int>.current.parent!.switch(1)
                } catch {
                    journal.note("catch \(Greenlet<Int>.current == box.value)")
                    throw error
                }
            }
            box.value = other
            try other.switch(0)
            #expect(throws: Failure(2)) { try other.throw(Failure(2)) }
            #expect(journal.entries == ["catch true", "defer true"])
            #expect(other.isDead)
            box.value = nil
        }
    }

    @Test func aCaughtErrorLetsItGoOn() async throws {
        try await onFreshThread { () throws -> Void in
            let other = Greenlet<Int> { _ in
                do { _ = try Greenlet<Int>.current.parent!.switch(1) } catch { return 77 }
                return 0
            }
            try other.switch(0)
            #expect(try other.throw(Failure()) == 77)
        }
    }

    @Test func throwIntoUnstartedNeverRunsIt() async throws {
        try await onFreshThread { () throws -> Void in
            var hasRun = false
            let other = Greenlet<Int> { _ in hasRun = true }
            #expect(throws: Failure(3)) { try other.throw(Failure(3)) }
            #expect(other.isDead && !hasRun)
            // GreenletExit counts as an ordinary end.
            let quiet = Greenlet<Int> { _ in hasRun = true }
            #expect(try quiet.throw() == nil)
            #expect(quiet.isDead && !hasRun)
        }
    }

    @Test func throwIntoUnstartedGoesToItsParent() async throws {
        try await onFreshThread { () throws -> Void in
            let parent = Greenlet<Int> { _ in
                do {
                    return try Greenlet<Int>.current.parent!.switch(0) ?? -1
                } catch let failure as Failure {
                    return failure.number
                }
            }
            try parent.switch(0)
            let child = Greenlet<Int>(parent: parent) { $0 }
            #expect(try child.throw(Failure(12)) == 12)
        }
    }

    @Test func exitIntoUnstartedReachesItsParentAsAnOrdinaryEnd() async throws {
        try await onFreshThread { () throws -> Void in
            let parent = Greenlet<Int> { _ in
                do {
                    return try Greenlet<Int>.current.parent!.switch(0) ?? -1
                } catch {
                    return -2
                }
            }
            try parent.switch(0)
            let child = Greenlet<Int>(parent: parent) { $0 }
            #expect(try child.throw() == -1)
        }
    }

    @Test func exitIsReturnedQuietly() async throws {
        try await onFreshThread { () throws -> Void in
            let other = Greenlet<Int> { _ in try Greenlet<Int>.current.parent!.switch(1)! }
            try other.switch(0)
            #expect(try other.throw() == nil)
            #expect(other.isDead)
            let own = Greenlet<Int> { _ in throw GreenletExit() }
            #expect(try own.switch(0) == nil)
        }
    }

    @Test func familiesOfMessagesMix() async throws {
        try await onFreshThread { () throws -> Void in
            let words = Greenlet<String> { word in
                let numbers = Greenlet<Int> { n in
                    let more = try Greenlet<Int>.current.parent!.switch(n + 1)!
                    return more + 1
                }
                let first = try numbers.switch(word.count)!
                let next = try Greenlet<String>.current.parent!.switch("\(first)")!
                return "\(try numbers.switch(next.count)!)"
            }
            #expect(try words.switch("abc") == "4")
            #expect(try words.switch("abcdef") == "7")
        }
    }

    @Test func ringOfThree() async throws {
        try await onFreshThread { () throws -> Void in
            let journal = Journal<String>()
            let main = Greenlet<Int>.current
            let ring = Box<[Greenlet<Int>]>([])
            for (index, name) in ["A", "B", "C"].enumerated() {
                ring.value.append(
                    Greenlet<Int>(parent: main) { count in
                        var count = count
                        while count > 0 {
                            journal.note(name)
                            count = try ring.value[(index + 1) % 3].switch(count - 1)!
                        }
                        _ = try main.switch(count)
                    })
            }
            #expect(try ring.value[0].switch(9) == 0)
            #expect(journal.entries == ["A", "B", "C", "A", "B", "C", "A", "B", "C"])
            ring.value = []
        }
    }

    /// C4: subroutines end last-in first-out; peers end when they are done, in whatever order.
    @Test func peersEndInAnotherOrderThanTheyBegan() async throws {
        try await onFreshThread { () throws -> Void in
            let journal = Journal<String>()
            let peers = Box<[String: Greenlet<String>]>([:])
            func make(_ name: String, _ next: [String]) {
                peers.value[name] = Greenlet<String>(parent: Greenlet<String>.current) { _ in
                    journal.note("begin \(name)")
                    for other in next { _ = try peers.value[other]!.switch(name) }
                    journal.note("end \(name)")
                    return name
                }
            }
            make("A", ["B", "C"])
            make("B", ["C", "A"])
            make("C", ["A", "B"])
            // A -> B -> C -> A -> C -> B -> A ends; then C, then B, as the main one says.
            #expect(try peers.value["A"]!.switch("") == "A")
            #expect(try peers.value["C"]!.switch("") == "C")
            #expect(try peers.value["B"]!.switch("") == "B")
            #expect(journal.entries == ["begin A", "begin B", "begin C", "end A", "end C", "end B"])
            peers.value = [:]
        }
    }

    @Test func roundRobinOfTwenty() async throws {
        try await onFreshThread { () throws -> Void in
            var order: [Int] = []
            var live = (0..<20).map { number in
                Greenlet<Int> { _ in
                    for round in 0..<50 {
                        order.append(number + 100 * round)
                        _ = try Greenlet<Int>.current.parent!.switch(round)
                    }
                }
            }
            while !live.isEmpty {
                for greenlet in live { try greenlet.switch(0) }
                live.removeAll { $0.isDead }
            }
            #expect(order == (0..<50).flatMap { round in (0..<20).map { $0 + 100 * round } })
        }
    }

    @Test func generatorsMaySwitchGreenlets() async throws {
        try await onFreshThread { () throws -> Void in
            let main = Greenlet<Int>.current
            let other = Greenlet<Int> { _ in
                let generator = Generator<Int> { yield in
                    for n in 0..<3 {
                        let sent = try main.switch(n)!  // leaves the generator and its resumer alike
                        try yield(sent)
                    }
                }
                return Array(generator).reduce(0, +)
            }
            #expect(try other.switch(0) == 0)
            #expect(try other.switch(10) == 1)
            #expect(try other.switch(20) == 2)
            #expect(try other.switch(30) == 60)
        }
    }
}
