import SwiftletInspect

/// Which coroutine is meant, from one look to the next: its address alone is soon another's.
struct CoroutineReference {
    private let identity: UInt
    private let kind: String
    private let number: Int
    private let name: String
    /// Numbers are counted on each loop, and a loop's place changes when another ends: its thread stays.
    private let thread: Int

    fileprivate init(_ coroutine: Snapshot.Coroutine, on thread: Int) {
        (identity, kind, number, name) = (coroutine.identity, coroutine.kind, coroutine.number, coroutine.name)
        self.thread = thread
    }

    /// A task has no number, and a fiber gets one when it starts.
    fileprivate func means(_ other: Self) -> Bool {
        identity == other.identity && kind == other.kind
            && (number == 0 ? name == other.name : number == other.number && thread == other.thread)
    }
}

extension Snapshot {
    func reference(_ coroutine: Coroutine) -> CoroutineReference {
        CoroutineReference(coroutine, on: loops.indices.contains(coroutine.loop) ? loops[coroutine.loop].thread : 0)
    }

    /// The place of the one that is meant, unless it has ended.
    func place(of reference: CoroutineReference, in coroutines: [Coroutine]) -> Int? {
        coroutines.firstIndex { reference.means(self.reference($0)) }
    }
}

extension Snapshot.Coroutine {
    /// What it waits for, and for how long at most.
    var waitWithDeadline: String {
        ([wait] + (deadline.map { ["at most \(Wording.time($0)) more"] } ?? [])).filter { !$0.isEmpty }
            .joined(separator: ", ")
    }
}
