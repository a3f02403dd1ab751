import Foundation
import Testing

/// The processes that a process has started and that have not been waited for.
func children(of identifier: pid_t) -> [pid_t] {
    let path = "/proc/\(identifier)/task/\(identifier)/children"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }  // it has ended
    return text.split(separator: " ").compactMap { pid_t($0) }
}

/// A process that has ended but that nobody has waited for does not count: who adopts orphans may be slow at it.
func isRunning(_ identifier: pid_t) -> Bool {
    guard let text = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8) else { return false }
    return !text.contains(") Z ")
}

/// Waits for a condition of other processes, which send no event, under a deadline.
func until(
    _ limit: Duration = .seconds(60), sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("it did not become true within \(limit)", sourceLocation: sourceLocation)
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}
