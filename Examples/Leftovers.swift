import CSwiftlet
import Glibc

/// What the program holds. With LEFTOVERS set an example runs three times: what it has more after the third time than after
/// the second, it has left behind. The first time makes what stays: threads that wait for more work, caches.
struct Holdings {
    let descriptors: Int
    let threads: Int
    let stacks: Int

    static var now: Holdings {
        Holdings(
            descriptors: entries(of: "/proc/self/fd"), threads: entries(of: "/proc/self/task"),
            stacks: swiftlet_stack_statistics().live)
    }

    private static func entries(of folder: String) -> Int {
        guard let listing = opendir(folder) else { return 0 }
        defer { closedir(listing) }
        var count = 0
        while readdir(listing) != nil { count += 1 }
        return count
    }

    /// - Returns: what there is too much of.
    func excess(over before: Holdings) -> String? {
        let all = [
            ("descriptors", before.descriptors, descriptors), ("threads", before.threads, threads),
            ("stacks", before.stacks, stacks),
        ]
        let grown = all.filter { $0.2 > $0.1 }.map { "\($0.0): \($0.1), then \($0.2)" }
        return grown.isEmpty ? nil : grown.joined(separator: "; ")
    }
}
