import Glibc
import Swiftlet

// Starts and ends coroutines of each kind by the million. Memory must be the same after the first tenth, by when every pool
// and heap has its size, as at the end. Growth is the failure.

/// What a run may grow by: the allocator and the kernel round, and a leaked word a coroutine would be 72 MB.
let tolerance = 4 << 20

let total = CommandLine.arguments.dropFirst().first.map { Int($0) ?? 0 } ?? 10_000_000
guard total >= 1000 else {
    print("usage: swiftlet-soak [coroutines of each kind]")
    exit(64)
}

let kinds: [(name: String, batch: @Sendable () throws -> Void)] = [
    ("fibers", { try joinAll((0..<1000).map { _ in spawn { try yield() } }) }),
    ("tasks", { try blockOn { await taskBatch() } }),
    (
        "generators",
        {
            for number in 0..<1000 {
                let generator = Generator<Int> { yield in for element in 0..<2 { try yield(element) } }
                // Every other one is abandoned while suspended.
                _ = number % 2 == 0 ? Array(generator).count : try generator.next()
            }
        }
    ),
    (
        "greenlets",
        {
            let main = Greenlet<Int>.current
            for number in 0..<1000 {
                let greenlet = Greenlet<Int> { try main.switch($0 + 1)! }
                _ = try greenlet.switch(1)
                if number % 2 == 0 { _ = try greenlet.switch(2) }
            }
        }
    ),
]

@Sendable func taskBatch() async {
    await withTaskGroup { group in
        for _ in 0..<1000 { group.addTask { await Task.yield() } }
    }
}

do {
    let grows = try EventLoop.run {
        try EventLoop.current.configuration.slowTurnLimit = nil
        var grows = false
        for (name, batch) in kinds {
            for _ in 0..<total / 10_000 { try batch() }
            let early = residentBytes()
            for _ in total / 10_000..<total / 1000 { try batch() }
            let late = residentBytes()
            print("\(name): \(early >> 10) KB after \(total / 10), \(late >> 10) KB after \(total)")
            if late - early > tolerance { grows = true }
        }
        return grows
    }
    if grows { print("memory grew by more than \(tolerance >> 20) MB") }
    exit(grows ? 1 : 0)
} catch {
    print("swiftlet-soak: \(error)")
    exit(1)
}

/// Resident memory of the process.
func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var size = 0
    var resident = 0
    guard
        withUnsafeMutablePointer(
            to: &size,
            { size in
                withUnsafeMutablePointer(to: &resident) { resident in
                    withVaList([size, resident]) { vfscanf(file, "%ld %ld", $0) }
                }
            }) == 2
    else { return 0 }
    return resident * sysconf(Int32(_SC_PAGESIZE))
}
