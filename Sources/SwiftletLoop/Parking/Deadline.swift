import CSwiftlet

/// A point in time at which waiting ends: an instant of the continuous clock, as the kernel counts it.
public struct Deadline: Sendable, Hashable, Comparable {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    @usableFromInline let nanoseconds: UInt64

    @usableFromInline
    init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Now.
    public static var now: Deadline { Deadline(nanoseconds: swiftlet_now()) }

    /// The point that lies `duration` from now; past ones count as now.
    public static func after(_ duration: Duration) -> Deadline {
        Deadline(nanoseconds: swiftlet_now().advancedSaturating(by: duration.nanosecondsClamped))
    }

    /// How long until it is reached; negative afterwards.
    public var remaining: Duration {
        .nanoseconds(Int64(clamping: nanoseconds) - Int64(clamping: swiftlet_now()))
    }

    public static func < (left: Deadline, right: Deadline) -> Bool { left.nanoseconds < right.nanoseconds }

    /// The deadline at the same moment as an instant of the standard library's clock.
    public init(_ instant: ContinuousClock.Instant) {
        self = .after(ContinuousClock.now.duration(to: instant))
    }
}

extension Duration {
    /// Whole nanoseconds, rounded up; negative durations are zero, very long ones some centuries.
    @usableFromInline
    var nanosecondsClamped: UInt64 {
        let attoseconds = attoseconds
        guard attoseconds > 0 else { return 0 }
        let high = UInt64(truncatingIfNeeded: attoseconds >> 64)
        // One division of 128 bits by 64; `components` needs two of 128 by 128. The quotient fits below this limit.
        guard high < 480_000_000 else { return .max / 2 }
        let low = UInt64(truncatingIfNeeded: attoseconds)
        let (quotient, remainder) = (1_000_000_000 as UInt64).dividingFullWidth((high, low))
        return quotient + (remainder > 0 ? 1 : 0)
    }
}

extension UInt64 {
    @usableFromInline
    func advancedSaturating(by amount: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(amount)
        return overflow ? .max - 1 : sum
    }
}
