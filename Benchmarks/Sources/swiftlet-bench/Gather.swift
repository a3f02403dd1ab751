import Swiftlet

/// Trivial coroutines, made and gathered `live` at a time. `suspending_ns` is the same with coroutines that each let the
/// others go first, and so need a task each.
func measureGather(count: Int, live: Int) throws {
    let (trivial, suspending) = try EventLoop.run {
        let trivial = try await gatherBatches(count, live) { number in Coroutine { number } }
        let suspending = try await gatherBatches(count / 4, live) { number in
            Coroutine {
                await Task.yield()
                return number
            }
        }
        return (trivial, suspending)
    }
    emit(
        "gather", "swiftlet", count: count, value: trivial.nanoseconds(per: count), unit: "ns/coroutine",
        more: ["suspending_ns": suspending.nanoseconds(per: count / 4)])
}

private func gatherBatches(
    _ count: Int, _ live: Int, _ make: @Sendable (Int) -> Coroutine<Int>
) async throws -> Duration {
    try await ContinuousClock().measure {
        for _ in 0..<count / live {
            let values = try await gather((0..<live).map(make))
            precondition(values.last == live - 1)
        }
    }
}
