import CSwiftlet
import CTestSupport
import SwiftletCoroutines
import TestSupport
import Testing

/// What C callbacks are given.
private final class Other {
    var greenlet: Greenlet<Int>?
    var last: Int?
}

private final class Resumed {
    var yielder: Yielder<Int, Void>?
    var generator: Generator<Int>?
}

/// What must be the same on both sides of a change of stacks.
@Suite struct SwitchTests {
    @Test func theProbeFindsTheThreadState() {
        #expect(ThreadState.refusal == nil)
    }

    @Test func everyThreadBindsItsOwnWords() async throws {
        try await onFreshThread { () throws -> Void in
            let thread = currentThread()
            #expect(thread.pointee.has_task_state)
            #expect(thread == currentThread())
        }
    }

    @Test func calleeSavedRegistersSurvive() async throws {
        try await onFreshThread { () throws -> Void in
            let callback: @convention(c) (UnsafeMutableRawPointer?) -> Void = { _ in
                for _ in 0..<3 { _ = try! Greenlet<Int>.current.parent?.switch(0) }
            }
            // Both sides hold values of their own while the other runs.
            let other = Greenlet<Int> { _ in test_registers_survive(callback, nil, 0x1111_2222_3333_0000) ? 1 : 0 }
            let box = Other()
            box.greenlet = other
            let survived = test_registers_survive(
                { argument in
                    let box = Unmanaged<Other>.fromOpaque(argument!).takeUnretainedValue()
                    while !box.greenlet!.isDead { box.last = try! box.greenlet!.switch(0) }
                }, Unmanaged.passUnretained(box).toOpaque(), 0x4444_5555_6666_0000)
            #expect(survived)
            #expect(box.last == 1)
        }
    }

    @Test func roundingModesBelongToTheStack() async throws {
        try await onFreshThread { () throws -> Void in
            let up = Greenlet<Int> { _ in
                test_set_rounding(CInt(TEST_ROUND_UP))
                _ = try Greenlet<Int>.current.parent!.switch(0)
                return Int(test_rounding())
            }
            try up.switch(0)
            #expect(test_rounding() == TEST_ROUND_NEAREST)
            test_set_rounding(CInt(TEST_ROUND_DOWN))
            #expect(try up.switch(0) == TEST_ROUND_UP)
            #expect(test_rounding() == TEST_ROUND_DOWN)
            test_set_rounding(CInt(TEST_ROUND_NEAREST))
        }
    }

    @Test func aNewStackInheritsTheRoundingMode() async throws {
        try await onFreshThread { () throws -> Void in
            test_set_rounding(CInt(TEST_ROUND_UP))
            let generator = Generator<Int> { yield in try yield(Int(test_rounding())) }
            #expect(try generator.next() == TEST_ROUND_UP)
            test_set_rounding(CInt(TEST_ROUND_NEAREST))
        }
    }

    @Test func errnoBelongsToTheStack() async throws {
        try await onFreshThread { () throws -> Void in
            let other = Greenlet<Int> { _ in
                swiftlet_set_errno(7)
                _ = try Greenlet<Int>.current.parent!.switch(0)
                return Int(swiftlet_errno())
            }
            swiftlet_set_errno(3)
            try other.switch(0)
            #expect(swiftlet_errno() == 3)
            swiftlet_set_errno(4)
            let kept = try other.switch(0)
            #expect(swiftlet_errno() == 4)
            #expect(kept == 7)
        }
    }

    @Test func cxxExceptionsStayOnTheirStacks() async throws {
        try await onFreshThread { () throws -> Void in
            let toParent: @convention(c) (UnsafeMutableRawPointer?) -> Void = { _ in
                _ = try! Greenlet<Int>.current.parent!.switch(0)
            }
            // Five stacks, each inside its own catch block, go on in another order than they came.
            let others = (1...5).map { tag in
                Greenlet<Int> { _ in Int(test_rethrow_after(CInt(tag), toParent, nil)) }
            }
            for other in others { try other.switch(0) }
            #expect(test_uncaught_exceptions() == 0)
            for tag in [3, 1, 5, 2, 4] { #expect(try others[tag - 1].switch(0) == tag) }
        }
    }

    @Test func cxxExceptionsStayApartBetweenAGeneratorAndItsResumer() async throws {
        try await onFreshThread { () throws -> Void in
            let box = Resumed()
            nonisolated(unsafe) let argument = Unmanaged.passUnretained(box).toOpaque()
            box.generator = Generator<Int> { yield in
                box.yielder = yield
                let tag = test_rethrow_after(
                    11, { try! Unmanaged<Resumed>.fromOpaque($0!).takeUnretainedValue().yielder!(0) }, argument)
                box.yielder = nil
                try yield(Int(tag))
            }
            #expect(try box.generator!.next() == 0)
            let outer = test_rethrow_after(
                22, { _ = try! Unmanaged<Resumed>.fromOpaque($0!).takeUnretainedValue().generator!.next() }, argument)
            #expect(outer == 22)
            #expect(try box.generator!.next() == nil)
            box.generator = nil
        }
    }
}
