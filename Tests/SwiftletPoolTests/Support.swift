import Foundation
import PoolTestJobs
import SwiftletPool
import TestSupport
import Testing

/// The worker program, built beside the tests.
let workerPath: String = {
    let bundle = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }
    let folder = bundle?.bundleURL.deletingLastPathComponent() ?? Bundle.main.bundleURL
    return folder.appendingPathComponent("PoolTestProgram").path
}()

let worker = WorkerProgram.at(path: workerPath)

func program(_ word: String) -> WorkerProgram { .at(path: workerPath, arguments: [word]) }

/// A process exists, also as one that nobody has waited for.
func exists(_ pid: Int32) -> Bool {
    guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
        let end = stat.lastIndex(of: ")")
    else { return false }
    return !stat[end...].hasPrefix(") Z")
}

func scratchFile() -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-pool-\(UUID())").path
}

/// Waits for something that an event of this process does not tell.
func eventually(_ what: @escaping @Sendable () -> Bool) async -> Bool {
    let limit = ContinuousClock.now + .seconds(60)
    while ContinuousClock.now < limit {
        if what() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}
