import CSwiftlet
import SwiftletCoroutines

/// What is in fibers, and those that have not begun.
extension InspectionReader {
    /// From a copy of a fiber's memory.
    mutating func describe(_ place: Int, _ fiber: UnsafeRawBufferPointer) {
        guard fiber.count >= layout.size else { return }
        let file = unsafe fiber.loadUnaligned(fromByteOffset: layout.file, as: UInt.self)
        let line = unsafe fiber.loadUnaligned(fromByteOffset: layout.line, as: UInt32.self)
        result.coroutines[place].origin = text(at: file).map { "\($0):\(line)" }
        result.coroutines[place].isCancelled =
            unsafe fiber.loadUnaligned(fromByteOffset: layout.cancelled, as: UInt8.self) & 1 != 0
        result.coroutines[place].joiners = unsafe fiber.loadUnaligned(
            fromByteOffset: layout.joiners, as: UInt.self)
        let extras = unsafe fiber.loadUnaligned(fromByteOffset: layout.extras, as: UInt.self)
        if extras != 0 { describeExtras(place, extras) }
    }

    mutating func describeExtras(_ place: Int, _ address: UInt) {
        guard let extras = peekArray(address, count: layout.extrasSize, of: UInt8.self) else { return }
        unsafe extras.withUnsafeBytes { extras in
            let name = unsafe extras.loadUnaligned(fromByteOffset: layout.extrasName, as: UInt.self)
            if result.coroutines[place].name == nil, name != 0 {
                result.coroutines[place].name = peekText(name, limit: 64)
            }
            result.coroutines[place].isBackground =
                unsafe extras.loadUnaligned(fromByteOffset: layout.extrasIsBackground, as: UInt8.self) & 1 != 0
            result.coroutines[place].scope = unsafe extras.loadUnaligned(
                fromByteOffset: layout.extrasMembership, as: UInt.self)
        }
        let scope = result.coroutines[place].scope
        if scope != 0, let bytes = peekArray(scope, count: layout.scopeSize, of: UInt8.self) {
            let (file, line) = unsafe bytes.withUnsafeBytes {
                unsafe (
                    $0.loadUnaligned(fromByteOffset: layout.scopeFile, as: UInt.self),
                    $0.loadUnaligned(fromByteOffset: layout.scopeLine, as: UInt32.self)
                )
            }
            result.coroutines[place].scopeOrigin = text(at: file).map { "\($0):\(line)" }
        }
    }

    /// A file's name that the compiler has put into the program: there for ever.
    mutating func text(at address: UInt) -> String? {
        if let known = texts[address] { return known }
        guard address != 0, let text = peekText(address) else { return nil }
        texts[address] = text
        return text
    }

    /// Fibers that have not begun, and jobs: in the ready queue, and those that are to begin later.
    mutating func readQueues(_ index: Int) {
        let loop = loops[index]
        var items: [UInt64] = []
        for _ in 0..<4 {
            guard let ring = unsafe peek(UInt(bitPattern: loop.core), as: swiftlet_loop_core.self)?.ready,
                let array = unsafe peekArray(
                    UInt(bitPattern: ring.items), count: Int(ring.mask) + 1, of: UInt64.self),
                let after = unsafe peek(UInt(bitPattern: loop.core), as: swiftlet_loop_core.self)?.ready
            else { continue }
            // It grew meanwhile.
            guard unsafe ring.items == after.items, unsafe ring.mask == after.mask else { continue }
            let count = unsafe Int32(bitPattern: ring.tail &- after.head)
            guard count > 0 else { break }
            items = (0..<UInt32(count)).map { unsafe array[Int((after.head &+ $0) & ring.mask)] }
            break
        }
        result.loops[index].readyJobs = items.count { $0.tag == .job || $0.tag == .isolatedJob || $0.tag == .plainJob }
        if wantsTasks {
            for item in items where item.tag == .job || item.tag == .isolatedJob || item.tag == .plainJob {
                readyTasks.insert(unsafe UInt(bitPattern: item.pointer))
            }
        }
        for item in items where item.tag == .fiber { addUnstarted(unsafe UInt(bitPattern: item.pointer), index) }
        for timer in steadyTimers(of: loop) where timer.item.tag == .fiber {
            if addUnstarted(unsafe UInt(bitPattern: timer.item.pointer), index) {
                result.coroutines[result.coroutines.count - 1].deadline = timer.deadline
            }
        }
    }

    @discardableResult
    mutating func addUnstarted(_ address: UInt, _ loop: Int) -> Bool {
        guard places[address] == nil, let fiber = peekArray(address, count: layout.size, of: UInt8.self),
            fiber[layout.state] == AnyFiber.State.unstarted.rawValue
        else { return false }
        places[address] = result.coroutines.count
        var found = InspectedCoroutine(identity: address, loop: loop, kind: .fiber, state: .unstarted)
        found.owner = address
        result.coroutines.append(found)
        let place = result.coroutines.count - 1
        unsafe fiber.withUnsafeBytes {
            unsafe describe(place, $0)
            result.coroutines[place].spawner = unsafe $0.loadUnaligned(fromByteOffset: layout.spawner, as: UInt64.self)
        }
        return true
    }
}
