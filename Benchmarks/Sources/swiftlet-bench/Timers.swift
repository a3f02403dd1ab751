import Swiftlet

/// Timers armed all together and then called off all together. `each_ns`: armed and called off one by one.
func measureTimers(count: Int) throws {
    let (arming, cancelling, each) = try EventLoop.run { () throws -> (Duration, Duration, Duration) in
        let loop = try EventLoop.current
        loop.configuration.slowTurnLimit = nil  // one turn arms all
        var handles: [TimerHandle] = []
        handles.reserveCapacity(count)
        let arming = try ContinuousClock().measure {
            for _ in 0..<count { handles.append(try loop.callLater(.seconds(60)) {}) }
        }
        let cancelling = ContinuousClock().measure {
            for handle in handles { handle.cancel() }
        }
        handles = []
        let each = try ContinuousClock().measure {
            for _ in 0..<count { try loop.callLater(.seconds(60)) {}.cancel() }
        }
        return (arming, cancelling, each)
    }
    emit(
        "timers", "swiftlet", count: count, value: (arming + cancelling).nanoseconds(per: count), unit: "ns/timer",
        more: ["cancel_ns": cancelling.nanoseconds(per: count), "each_ns": each.nanoseconds(per: count)])
}
