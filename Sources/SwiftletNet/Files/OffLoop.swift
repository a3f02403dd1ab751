import SwiftletLoop

/// Runs work that may block on a disk: on a thread of the pool, while only the caller waits; on a plain thread right here.
///
/// - Parameter isShielded: waits for the end in any case: for work whose result must not be lost.
/// - Throws: what the work throws; `DeadlineExceeded`, `CancellationError`, after which the work goes on to its end.
func offLoop<Value: Sendable>(
    until deadline: Deadline? = nil, isShielded: Bool = false, _ work: @escaping @Sendable () throws -> Value
) throws -> Value {
    guard EventLoop.currentIfAny != nil else { return try work() }
    try checkCancellation()
    let done = Waiter<Value>()
    let work = keepingTaskLocalValues(work)
    OffloadPool.shared.submit {
        do {
            done.resume(returning: try work())
        } catch {
            done.resume(throwing: error)
        }
    }
    guard let value = try done.wait(.thread, until: deadline, isShielded: isShielded) else { throw DeadlineExceeded() }
    return value
}
