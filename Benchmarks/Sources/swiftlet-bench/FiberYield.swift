import Swiftlet

/// Two fibers that take turns through the scheduler.
func measureFiberYield(count: Int) throws {
    try EventLoop.run {
        let elapsed = try ContinuousClock().measure {
            let fibers = (0..<2).map { _ in
                spawn { for _ in 0..<count / 2 { try yield() } }
            }
            try joinAll(fibers, rethrowing: true)
        }
        emit("fiber_yield", "swiftlet", count: count, value: elapsed.nanoseconds(per: count), unit: "ns/yield")
    }
}
