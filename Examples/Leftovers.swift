import CSwiftlet
import Glibc
import Swiftlet

/// What the program holds. With LEFTOVERS set an example runs several times: what it has more after one time than after the
/// one before, it has left behind. The first two make what stays: threads that wait for more work, caches.
struct Holdings {
    private var counts: [(what: String, count: Int)]
    private let bytes: Int

    private static var now: Holdings {
        let loop = EventLoop.currentIfAny
        return Holdings(
            counts: [
                ("descriptors", entries(of: "/proc/self/fd")), ("threads", entries(of: "/proc/self/task")),
                ("stacks", swiftlet_stack_statistics().live), ("fibers", loop?.liveFibers().count ?? 0),
                ("tasks", loop?.allTasks.count ?? 0),
            ], bytes: swiftlet_heap_in_use())
    }

    private static func entries(of folder: String) -> Int {
        guard let listing = opendir(folder) else { return 0 }
        defer { closedir(listing) }
        var count = 0
        while readdir(listing) != nil { count += 1 }
        return count
    }

    /// Runs something that has run before.
    ///
    /// Objects are counted by what they take of the heap, to the byte. Allocators and the language's runtime keep a little
    /// more or less from time to time, so one time may end with more than the one before. An object that is left behind is
    /// one more each time: only if `patience` times in a row end with more than ever before, something is left behind.
    ///
    /// - Returns: what there is too much of.
    static func excess(after run: () throws -> Void, patience: Int = 20) throws -> String? {
        var before = now
        let first = before.bytes
        for _ in 0..<patience {
            try run()
            let after = now
            let grown = zip(before.counts, after.counts).filter { $1.count > $0.count }
                .map { "\($0.what): \($0.count), then \($1.count)" }
            if !grown.isEmpty { return grown.joined(separator: "; ") }
            if after.bytes <= before.bytes { return nil }
            before = after
        }
        return "objects: \(before.bytes - first) bytes in \(patience) times"
    }
}
