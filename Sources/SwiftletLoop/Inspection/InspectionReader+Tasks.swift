import CSwiftlet
import SwiftletCoroutines

/// Tasks without a stack.
extension InspectionReader {
    var wantsTasks: Bool { DescriptorOrigins.areNoted }

    /// Tasks that have run on the loop and are suspended otherwise, or stand in its ready queue again. Not those that have not
    /// begun, and none that has not run since the inspection began.
    mutating func readSuspended(_ index: Int) {
        guard wantsTasks else { return }
        TaskLayout.find()
        guard let layout = TaskLayout.found else { return }
        let noted = loops[index].suspendedTasks.all
        var resumptions: [(place: Int, frames: [UInt], context: UInt)] = []
        for task in layout.alive(noted) where places[task] == nil {
            let isReady = readyTasks.contains(task)
            var found = InspectedCoroutine(
                identity: task, loop: index, kind: .task, state: isReady ? .ready : .suspended)
            found.owner = task
            found.waitNumber = noted[task]!.lastWait
            places[task] = result.coroutines.count
            resumptions.append((result.coroutines.count, [], task))
            result.coroutines.append(found)
        }
        guard wantsStacks else { return }
        readResumptions(&resumptions)
        // Whoever has not run since stood still.
        let after = loops[index].suspendedTasks.all
        let alive = layout.alive(after)
        for (place, frames, _) in resumptions {
            let task = result.coroutines[place].identity
            guard alive.contains(task), after[task]?.lastWait == noted[task]?.lastWait else { continue }
            result.coroutines[place].stack = unsafe frames.withUnsafeBufferPointer { unsafe table.place(of: $0) }
        }
    }

    /// Tasks that are suspended until a timer of the loop.
    mutating func readSleepers(_ index: Int) {
        let sleeps = loops[index].sleepTableAddress
        let before = SleepTable.peekTasks(at: sleeps)
        var resumptions: [(place: Int, frames: [UInt], context: UInt)] = []
        for (order, task) in before where deadlines[order] != nil && places[task] == nil {
            var found = InspectedCoroutine(identity: task, loop: index, kind: .task, state: .waiting)
            found.owner = task
            found.waitKind = .sleep
            found.waitNumber = order
            found.deadline = deadlines[order]
            places[task] = result.coroutines.count
            resumptions.append((result.coroutines.count, [], task))
            result.coroutines.append(found)
        }
        if wantsStacks { readResumptions(&resumptions) }
        // Whoever slept in the same sleep afterwards slept all the time.
        let after = Dictionary(
            SleepTable.peekTasks(at: sleeps).map { ($0.task, $0.order) }, uniquingKeysWith: { first, _ in first })
        for (place, frames, _) in resumptions
        where after[result.coroutines[place].identity] == result.coroutines[place].waitNumber {
            result.coroutines[place].stack = unsafe frames.withUnsafeBufferPointer { unsafe self.table.place(of: $0) }
        }
    }

    /// Where suspended tasks will go on, and who awaits that: the chain of their contexts, as the runtime's ABI has it.
    mutating func readResumptions(_ tasks: inout [(place: Int, frames: [UInt], context: UInt)]) {
        // Of a task: the function that goes on, and its context. Of a context: whose callee it is, and where that goes on.
        let ofTask: UInt = 56
        var open = Array(tasks.indices)
        for round in 0..<Self.frameLimit where !open.isEmpty {
            batch.clear()
            let pieces = open.map { batch.add(tasks[$0].context + (round == 0 ? ofTask : 0), 16) }
            batch.read()
            var further: [Int] = []
            for (task, piece) in zip(open, pieces) {
                guard let piece, let first = batch.value(piece, as: UInt.self),
                    let second = batch.value(piece, at: 8, as: UInt.self)
                else { continue }
                let (function, context) = round == 0 ? (first, second) : (second, first)
                guard function != 0 else { continue }
                tasks[task].frames.append(function)
                tasks[task].context = context
                if context != 0, context % 8 == 0 { further.append(task) }
            }
            open = further
        }
    }
}
