import CInterposeTestSupport
import Glibc
import TestSupport

/// The lines that a piece of C code tells.
private func lines(_ tell: (UnsafeMutablePointer<answers>) -> Void) -> [String] {
    let told = UnsafeMutablePointer<answers>.allocate(capacity: 1)
    defer { told.deallocate() }
    memset(told, 0, MemoryLayout<answers>.size)
    tell(told)
    return told.withMemoryRebound(to: CChar.self, capacity: MemoryLayout<answers>.size) { String(cString: $0) }
        .split(separator: "\n").map(String.init)
}

extension Scenario {
    // MARK: In C: what Swift has no name for

    static let otherNames: [Scenario] = [
        Scenario("other names of streams and sockets") { lines(tell_streams_and_sockets) },
        Scenario("other names of reading files", waits: false) { lines(tell_files) },
        // An exit under a sanitizer looks for leaks, which another process's memory is.
        Scenario("what gives up numbers, and exit") { lines { tell_closing($0, !Sanitizer.isAny) } },
        Scenario("other names of record locks") { lines(tell_record_locks) },
        // The thread sanitizer's symbolizer is a child that does not end.
        Scenario("any child") { lines { tell_any_child($0, !Sanitizer.isThread) } },
        Scenario("other names of names", waits: false) { lines(tell_names) },
        Scenario("other names of semaphores") { lines(tell_semaphores) },
        Scenario("sleep by C's own name, and a pause that a signal ends") { lines(tell_pause) },
        Scenario("other names of mutexes and conditions") { lines(tell_threads) },
    ]
}
