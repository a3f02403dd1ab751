import CSwiftlet
import SwiftletCoroutines

/// Who runs, and who waits for whom.
extension InspectionReader {
    /// A fiber in whose generator or greenlet is waited waits itself.
    mutating func followParked() {
        for place in result.coroutines.indices {
            let coroutine = result.coroutines[place]
            guard coroutine.parked != 0, coroutine.parked != coroutine.identity, coroutine.state == .ready,
                let inner = places[coroutine.parked], result.coroutines[inner].state == .waiting
            else { continue }
            let waiting = result.coroutines[inner]
            result.coroutines[place].state = .waiting
            result.coroutines[place].waitNumber = waiting.waitNumber
            result.coroutines[place].waitKind = waiting.waitKind
            result.coroutines[place].waitObject = waiting.waitObject
            result.coroutines[place].deadline = waiting.deadline
            if let frames = waiting.stack {
                let all = table.stacks[frames] + (coroutine.stack.map { table.stacks[$0] } ?? [])
                result.coroutines[place].stack = unsafe all.withUnsafeBufferPointer { unsafe table.place(of: $0) }
            }
        }
    }

    mutating func findRunning() {
        for index in loops.indices {
            addTimeOfRunning(index)
            let field = unsafe UInt(MemoryLayout<swiftlet_thread>.offset(of: \.current)!)
            guard var address = unsafe peek(UInt(bitPattern: loops[index].thread) + field, as: UInt.self) else {
                continue
            }
            // A running generator's resumer runs too, as who calls a function does.
            while let place = places[address] {
                if result.coroutines[place].state != .waiting { result.coroutines[place].state = .running }
                if !result.loops[index].isAsleep || result.coroutines[place].kind == .thread {
                    result.loops[index].running = place
                }
                let coroutine = result.coroutines[place]
                guard coroutine.kind == .generator || coroutine.kind == .greenlet, coroutine.resumer != 0 else { break }
                address = coroutine.resumer
            }
        }
    }

    /// The turn under way is added to a coroutine's time when it ends: one that computes for ever would have none.
    private mutating func addTimeOfRunning(_ index: Int) {
        guard let trace = unsafe peek(UInt(bitPattern: loops[index].core), as: swiftlet_loop_core.self)?.trace,
            let times = unsafe peek(UInt(bitPattern: trace), as: swiftlet_trace.self), unsafe times.counts_time,
            let running = unsafe times.running, let place = places[UInt(bitPattern: running)]
        else { return }
        let (now, begin) = unsafe (swiftlet_now(), times.running_since)
        result.coroutines[place].runNanoseconds += now - min(begin, now)
    }

    mutating func lookAtThread(_ index: Int) {
        let kernelID = CInt(result.loops[index].kernelID)
        unsafe withUnsafeTemporaryAllocation(of: UnsafeMutableRawPointer?.self, capacity: 64) { frames in
            var look = unsafe swiftlet_thread_look()
            var count: CInt = 0
            if wantsStacks, !result.loops[index].isAsleep {
                count = unsafe swiftlet_backtrace_of_work(kernelID, frames.baseAddress, CInt(frames.count), &look)
            } else {
                unsafe look = unsafe swiftlet_thread_look_at(kernelID)
            }
            unsafe result.loops[index].threadState =
                look.state == 0 ? "?" : Character(UnicodeScalar(UInt8(bitPattern: look.state)))
            result.loops[index].processorNanoseconds = unsafe look.processor_time
            result.loops[index].systemCall = unsafe nameOfSystemCall(look.system_call)
            result.loops[index].systemCallArgument = unsafe look.argument
            result.loops[index].stack = unsafe frames.withMemoryRebound(to: UInt.self) {
                unsafe table.place(of: UnsafeBufferPointer(rebasing: $0[0..<Int(count)]))
            }
            if let running = result.loops[index].running, result.coroutines[running].kind != .thread {
                result.coroutines[running].stack = result.loops[index].stack
            }
        }
    }

    // MARK: Who waits for whom

    mutating func linkJoiners() {
        struct Node {
            let fiber: Int
            let first: UInt
            var next: UInt
            var count = 0
        }
        let tokenOffset = MemoryLayout<JoinNode>.offset(of: \.token)!
        let nextOffset = unsafe MemoryLayout<JoinNode>.offset(of: \.next)!
        var nodes = result.coroutines.indices.compactMap { place in
            let joiners = result.coroutines[place].joiners
            return joiners == 0 ? nil : Node(fiber: place, first: joiners, next: joiners)
        }
        while !nodes.isEmpty {
            batch.clear()
            let pieces = nodes.map { batch.add($0.next, MemoryLayout<JoinNode>.size) }
            batch.read()
            var further: [Node] = []
            for (node, piece) in zip(nodes, pieces) {
                guard let piece,
                    // The token: a thread, a context, a wait's number.
                    let waiting = batch.value(piece, at: tokenOffset + 8, as: UInt.self),
                    let number = batch.value(piece, at: tokenOffset + 16, as: UInt64.self),
                    let next = batch.value(piece, at: nextOffset, as: UInt.self)
                else { continue }
                if let place = places[waiting], result.coroutines[place].waitNumber == number {
                    result.coroutines[place].waitsFor.append(node.fiber)
                }
                guard next != node.first, next != 0, node.count < 1000 else { continue }
                further.append(Node(fiber: node.fiber, first: node.first, next: next, count: node.count + 1))
            }
            nodes = further
        }
    }

    mutating func linkScopes() {
        var children: [UInt: [Int]] = [:]
        for place in result.coroutines.indices where result.coroutines[place].scope != 0 {
            children[result.coroutines[place].scope, default: []].append(place)
        }
        for place in result.coroutines.indices where result.coroutines[place].waitKind == .children {
            result.coroutines[place].waitsFor += children[result.coroutines[place].waitObject] ?? []
        }
    }

    mutating func linkLocks() {
        var holders: [UInt: Int?] = [:]
        for place in result.coroutines.indices where result.coroutines[place].waitKind == .lock {
            let object = result.coroutines[place].waitObject
            if holders[object] == nil {
                holders[object] = .some(holder(at: object + UInt(guardedRoom)))
            }
            if let holder = holders[object] ?? nil { result.coroutines[place].waitsFor.append(holder) }
        }
    }

    func holder(at state: UInt) -> Int? {
        func field<Value: BitwiseCopyable>(_ offset: Int?, as type: Value.Type) -> Value? {
            peek(state + UInt(offset!), as: type)
        }
        guard let depth = field(MemoryLayout<OwnedLock.State>.offset(of: \.depth), as: Int.self), depth > 0,
            let bearer = field(MemoryLayout<OwnedLock.State>.offset(of: \.owner.bearer), as: UInt.self),
            let run = field(MemoryLayout<OwnedLock.State>.offset(of: \.owner.run), as: UInt64.self)
        else { return nil }
        if let place = places[bearer] { return result.coroutines[place].run == run ? place : nil }
        return result.coroutines.firstIndex { $0.kind == .task && $0.owner == bearer }
    }

    mutating func findCycles() {
        let cycles = waitCycles(result.coroutines.map(\.waitsFor))
        var number = 0
        for members in cycles {
            // Again: if all still wait in the same waits, they all did at one moment.
            let isTrue = members.allSatisfy { place in
                let field = unsafe UInt(MemoryLayout<swiftlet_context>.offset(of: \.wait_id)!)
                let parked = result.coroutines[place].parked
                let stack = parked == 0 ? result.coroutines[place].identity : parked
                return peek(stack + field, as: UInt64.self) == result.coroutines[place].waitNumber
            }
            guard isTrue else { continue }
            for place in members { result.coroutines[place].cycle = number }
            number += 1
        }
    }
}
