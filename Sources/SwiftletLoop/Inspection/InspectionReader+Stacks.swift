import CSwiftlet
import SwiftletCoroutines

/// Stacks in use, and their frames.
extension InspectionReader {
    mutating func readStacks() {
        var slabs = unsafe [swiftlet_slab](repeating: swiftlet_slab(), count: 64)
        while true {
            let count = unsafe swiftlet_stack_slabs(&slabs, slabs.count)
            if unsafe count <= slabs.count {
                unsafe slabs.removeLast(slabs.count - count)
                break
            }
            unsafe slabs = unsafe [swiftlet_slab](repeating: swiftlet_slab(), count: count * 2)
        }
        let most = unsafe slabs.reduce(0) { unsafe $0 + $1.used }
        result.coroutines.reserveCapacity(most)
        places.reserveCapacity(most)
        for index in unsafe slabs.indices { unsafe readSlab(slabs[index]) }
    }

    mutating func readSlab(_ slab: swiftlet_slab) {
        var slab = unsafe slab
        var touched = unsafe [UInt32](repeating: 0, count: slab.used)
        if wantsStacks { unsafe swiftlet_stack_touched(&slab, &touched) }
        let contexts = UnsafeMutablePointer<swiftlet_context>.allocate(capacity: Self.batchSize)
        defer { unsafe contexts.deallocate() }
        var first = 0
        while unsafe first < slab.used {
            let count = unsafe min(Self.batchSize, slab.used - first)
            let addresses = (0..<count).map { unsafe UInt(bitPattern: swiftlet_stack_context_at(&slab, first + $0)) }
            readContexts(addresses, touched[first..<(first + count)].map { Int($0) })
            first += count
        }
    }

    /// What is read of one stack at a time.
    struct Pieces {
        var context = 0
        var stack: Int?
        var owner: Int?
        var name: Int?
        var again = 0
    }

    mutating func readContexts(_ addresses: [UInt], _ touched: [Int]) {
        var wanted = Array(addresses.indices)
        // What was changing while it was read is read again. What changes for ever is told without its frames.
        for attempt in 0..<3 where !wanted.isEmpty {
            wanted = readContexts(addresses, touched, wanted, isFirst: attempt == 0, isLast: attempt == 2)
        }
    }

    mutating func readContexts(
        _ addresses: [UInt], _ touched: [Int], _ wanted: [Int], isFirst: Bool, isLast: Bool
    ) -> [Int] {
        batch.clear()
        let size = unsafe MemoryLayout<swiftlet_context>.size
        var pieces = wanted.map { Pieces(context: batch.add(addresses[$0], size)!) }
        batch.read()
        let contexts = unsafe pieces.map { unsafe batch.value($0.context, as: swiftlet_context.self) }
        batch.clear()
        var live: [Int] = []
        for (place, index) in wanted.enumerated() {
            guard let context = unsafe contexts[place], let loop = unsafe threads[UInt(bitPattern: context.thread)]
            else {
                continue
            }
            if isFirst {
                let isLive = unsafe context.is_live
                result.loops[loop].statistics.liveStacks += isLive ? 1 : 0
                result.loops[loop].statistics.pooledStacks += isLive ? 0 : 1
            }
            guard unsafe context.is_live,
                unsafe Int(context.kind) != Int(SWIFTLET_KIND_SCHEDULER.rawValue)
            else { continue }
            let stackPointer = unsafe UInt(bitPattern: context.stack_pointer)
            let low = unsafe UInt(bitPattern: context.low)
            if wantsStacks, stackPointer >= low, stackPointer < addresses[index] {
                pieces[place].stack = batch.add(
                    stackPointer, min(Int(addresses[index] - stackPointer), Self.stackLimit))
            }
            if unsafe Int(context.kind) == Int(SWIFTLET_KIND_FIBER.rawValue) {
                pieces[place].owner = unsafe batch.add(UInt(bitPattern: context.owner), layout.size)
            }
            if let name = unsafe context.name { pieces[place].name = batch.add(UInt(bitPattern: name), 64) }
            live.append(place)
        }
        for place in live { pieces[place].again = batch.add(addresses[wanted[place]], size) ?? -1 }
        batch.read()
        var unsteady: [Int] = []
        for place in live {
            let index = wanted[place]
            guard pieces[place].again >= 0, let before = unsafe contexts[place],
                let after = unsafe batch.value(pieces[place].again, as: swiftlet_context.self)
            else { continue }
            // The same fiber or task all the time: what is in it is true also while it runs. Its frames are if it stood still.
            guard unsafe Self.isSame(before, after) else {
                if !isLast { unsteady.append(index) }
                continue
            }
            let isSteady = unsafe Self.stoodStill(before, after)
            if !isSteady, !isLast {
                unsteady.append(index)
                continue
            }
            unsafe add(after, at: addresses[index], pieces[place], isSteady: isSteady, touched[index])
        }
        return unsteady
    }

    static func stoodStill(_ one: swiftlet_context, _ other: swiftlet_context) -> Bool {
        unsafe one.wait_id == other.wait_id && one.stack_pointer == other.stack_pointer
            && one.resume_address == other.resume_address
    }

    static func isSame(_ one: swiftlet_context, _ other: swiftlet_context) -> Bool {
        unsafe one.is_live && other.is_live && one.run == other.run && one.owner == other.owner
            && one.kind == other.kind
    }

    mutating func add(
        _ context: swiftlet_context, at address: UInt, _ pieces: Pieces, isSteady: Bool, _ touched: Int
    ) {
        guard unsafe context.is_live, let loop = unsafe threads[UInt(bitPattern: context.thread)],
            let kind = unsafe InspectedCoroutine.Kind(rawValue: Int(context.kind))
        else { return }
        unsafe add(context, at: address, loop: loop, kind)
        let place = result.coroutines.count - 1
        result.coroutines[place].stackSize = unsafe context.size
        result.coroutines[place].stackTouched = touched
        if let name = pieces.name { result.coroutines[place].name = batch.text(name) }
        if let owner = pieces.owner { unsafe describe(place, batch.piece(owner)) }
        guard isSteady else { return }
        result.coroutines[place].stackUsed = unsafe Int(address - UInt(bitPattern: context.stack_pointer))
        if let stack = pieces.stack { result.coroutines[place].stack = unsafe unwind(batch.piece(stack), context) }
    }

    mutating func add(
        _ context: swiftlet_context, at address: UInt, loop: Int, _ kind: InspectedCoroutine.Kind
    ) {
        let isWaiting = unsafe context.wait_id != 0
        var found = InspectedCoroutine(
            identity: address, loop: loop, kind: kind,
            state: isWaiting ? .waiting : kind == .generator || kind == .greenlet ? .suspended : .ready)
        found.number = unsafe kind == .fiber ? context.number : 0
        found.spawner = unsafe kind == .fiber ? context.spawner : 0
        found.run = unsafe context.run
        if unsafe context.timed_run == context.run { found.runNanoseconds = unsafe context.run_time }
        found.owner = unsafe UInt(bitPattern: context.owner)
        found.parked = unsafe UInt(bitPattern: context.parked)
        found.resumer = unsafe UInt(bitPattern: context.resumer)
        if isWaiting {
            found.waitNumber = unsafe context.wait_id
            found.waitKind = unsafe WaitKind(rawValue: context.wait_kind) ?? .other
            found.waitObject = unsafe UInt(bitPattern: context.wait_object)
            found.deadline = deadlines[found.waitNumber]
        }
        places[address] = result.coroutines.count
        result.coroutines.append(found)
    }

    mutating func unwind(_ bytes: UnsafeRawBufferPointer, _ context: swiftlet_context) -> Int? {
        unsafe withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: Self.frameLimit) { frames in
            var copy = unsafe swiftlet_stack_copy(
                bytes: bytes.baseAddress?.assumingMemoryBound(to: CChar.self),
                address: UnsafePointer(context.stack_pointer.assumingMemoryBound(to: CChar.self)), size: bytes.count)
            let count = unsafe swiftlet_unwind_context(&copy, [context], frames.baseAddress, CInt(frames.count))
            return unsafe frames.withMemoryRebound(to: UInt.self) {
                unsafe table.place(of: UnsafeBufferPointer(rebasing: $0[0..<Int(count)]))
            }
        }
    }
}
