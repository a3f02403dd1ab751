import Swiftlet

/// Two tasks, in synchronous code: each sets itself aside and wakes the other through the loop's queue.
///
/// `value` is the bare wait; `cancellable_ns` the one that ends when the task is cancelled, as all of the library's
/// own waits do.
func measurePark(count: Int) throws {
    try EventLoop.run {
        let bare = try await takeTurns(count, isShielded: true)
        let cancellable = try await takeTurns(count, isShielded: false)
        emit(
            "park", "swiftlet", count: count, value: bare.nanoseconds(per: count), unit: "ns/park",
            more: ["cancellable_ns": cancellable.nanoseconds(per: count)])
    }
}

/// Who is parked. Only the loop's thread touches it.
private final class Slot: @unchecked Sendable { var token: WaitToken? }

private func takeTurns(_ count: Int, isShielded: Bool) async throws -> Duration {
    let slot = Slot()
    return try await ContinuousClock().measure {
        let players = (0..<2).map { _ in Task { try parkAndWake(slot, count / 2, isShielded) } }
        for player in players { try await player.value }
    }
}

private func parkAndWake(_ slot: Slot, _ count: Int, _ isShielded: Bool) throws {
    for _ in 0..<count {
        _ = try park(isShielded: isShielded) { token in
            let other = slot.token
            slot.token = token
            other?.wake()
        }
    }
    slot.token?.wake()
    slot.token = nil
}
