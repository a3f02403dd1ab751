import CSwiftlet
import CTestSupport
import Glibc
import SwiftletCoroutines
import TestSupport
import Testing

/// A generator that holds a stack until it is dropped.
func suspendedGenerator(stackSize: Int = StackSize.default, touching bytes: Int = 0) throws -> Generator<Int> {
    let generator = Generator<Int>(stackSize: stackSize) { yield in
        if bytes > 0 { test_touch_stack(CUnsignedInt(bytes)) }
        try yield(1)
    }
    _ = try generator.next()
    return generator
}

/// A byte of every live stack, 50 KB below its top.
func touchedBytes(_ thread: ThreadPointer) -> [UnsafePointer<UInt8>] {
    let bytes = Box<[UnsafePointer<UInt8>]>([])
    swiftlet_stack_visit(
        thread,
        { context, bytes in
            let byte = UnsafeRawPointer(context!).assumingMemoryBound(to: UInt8.self) - (50 << 10)
            Unmanaged<Box<[UnsafePointer<UInt8>]>>.fromOpaque(bytes!).takeUnretainedValue().value.append(byte)
        }, Unmanaged.passUnretained(bytes).toOpaque())
    return bytes.value
}

@Suite struct StackTests {
    @Test func endedStacksAreUsedAgain() async throws {
        try await onFreshThread { () throws -> Void in
            let thread = currentThread()
            for _ in 0..<1_000 {
                let generator = Generator<Int> { yield in try yield(1) }
                #expect(Array(generator) == [1])
            }
            #expect(swiftlet_stack_count(thread).live == 0)
            #expect(swiftlet_stack_count(thread).pooled == 1)
        }
    }

    @Test func liveAndPooledStacksAreCounted() async throws {
        try await onFreshThread { () throws -> Void in
            let thread = currentThread()
            var generators = try (0..<100).map { _ in try suspendedGenerator() }
            #expect(swiftlet_stack_count(thread).live == 100)
            #expect(swiftlet_stack_count(thread).reserved_bytes >= 100 * StackSize.default)
            generators.removeLast(40)
            #expect(swiftlet_stack_count(thread).live == 60)
            #expect(swiftlet_stack_count(thread).pooled == 40)
            generators = []
            #expect(swiftlet_stack_count(thread).live == 0)
            #expect(swiftlet_stack_count(thread).pooled == 100)
        }
    }

    @Test func trimmingReturnsMemoryAndStacksStayUsable() async throws {
        try await onFreshThread { () throws -> Void in
            let thread = currentThread()
            var generators = try (0..<64).map { _ in try suspendedGenerator(touching: 100 << 10) }
            let touched = touchedBytes(thread)
            func kept() -> Int { touched.filter { $0.pointee == 1 }.count }
            #expect(kept() == 64)
            generators = []
            #expect(swiftlet_stack_trim(thread, 4, 10) == 10)
            #expect(swiftlet_stack_trim(thread, 4, 1_000) == 50)
            #expect(swiftlet_stack_trim(thread, 4, 1_000) == 0)
            #expect(kept() == 4)
            // Also those whose context the trimming wiped.
            generators = try (0..<64).map { _ in try suspendedGenerator() }
            #expect(swiftlet_stack_count(thread).slots >= 64)
            #expect(swiftlet_stack_count(thread).live == 64)
            #expect(swiftlet_stack_count(thread).pooled == 0)
            for generator in generators { #expect(try generator.next() == nil) }
        }
    }

    @Test func highWaterMarkFollowsUse() async throws {
        try await onFreshThread { () throws -> Void in
            let box = Box<ContextPointer?>(nil)
            let generator = Generator<Int> { yield in
                box.value = currentThread().pointee.current
                try yield(0)
                test_touch_stack(100 << 10)
                try yield(1)
            }
            _ = try generator.next()
            let early = swiftlet_stack_high_water(box.value)
            _ = try generator.next()
            let late = swiftlet_stack_high_water(box.value)
            #expect(early > 0 && early < 60 << 10)
            #expect(late >= 100 << 10 && late < 170 << 10)
        }
    }

    @Test(arguments: [1, 32 << 10, (32 << 10) + 1, 100_000, 256 << 10, 1 << 20, 8 << 20])
    func aStackHasTheSizeAskedFor(size: Int) async throws {
        try await onFreshThread { () throws -> Void in
            let box = Box(0)
            let generator = Generator<Int>(stackSize: size) { _ in
                box.value = currentThread().pointee.current.pointee.size
            }
            #expect(try generator.next() == nil)
            let slot = Int(SWIFTLET_STACK_GUARD_SIZE) + box.value
            #expect(slot >= size - 2_048)  // the colour bytes
            #expect(slot <= max(32 << 10, 2 * size))
        }
    }

    @Test(arguments: [StackSize.largest + 1, Int.max, -1])
    func aSizeOutOfRangeIsRefused(size: Int) async throws {
        try await onFreshThread { () throws -> Void in
            let generator = Generator<Int>(stackSize: size) { yield in try yield(1) }
            let error = #expect(throws: StackError.self) { try generator.next() }
            #expect(error?.size == size)
            #expect(
                error?.description.contains(size < 0 ? "no stack of \(size) bytes: ask for" : "the largest is 8 MB")
                    == true)
            let greenlet = Greenlet<Int>(stackSize: size) { $0 }
            #expect(throws: StackError.self) { try greenlet.switch(1) }
        }
    }

    @Test(.disabled(if: Sanitizer.isAny, "sanitizers bring a signal stack for each thread"))
    func signalStacksEndWithTheirThreads() async throws {
        // In a process of its own: other tests have threads too.
        await #expect(processExitsWith: .success) {
            func turn() {
                onThreadAndEnd {
                    guard Array(Generator<Int> { yield in try yield(1) }) == [1] else { exit(3) }
                    var signalStack = stack_t()
                    if sigaltstack(nil, &signalStack) != 0 || signalStack.ss_sp == nil { exit(4) }
                }
            }
            for _ in 0..<20 { turn() }
            let before = mappedBytes()
            for _ in 0..<200 { turn() }
            if mappedBytes() - before > 2 << 20 { exit(2) }  // 64 KB each would be 12 MB
        }
    }

    @Test(.disabled(if: Sanitizer.isAny, "sanitizers keep memory of their own"))
    func memoryStaysFlatOverManyGeneratorsAndGreenlets() async throws {
        // In a process of its own: other tests use memory meanwhile.
        await #expect(processExitsWith: .success) {
            try await onFreshThread { () throws -> Void in
                func turn() throws {
                    let generator = Generator<Int> { yield in try yield(1) }
                    _ = try generator.next()
                    let greenlet = Greenlet<Int> { try Greenlet<Int>.current.parent!.switch($0)! }
                    try greenlet.switch(1)
                }
                for _ in 0..<1_000 { try turn() }
                let before = residentBytes()
                for _ in 0..<50_000 { try turn() }
                if residentBytes() - before > 2 << 20 { exit(2) }
            }
        }
    }
}
