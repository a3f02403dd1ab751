import CSwiftlet

/// Who has asked another process for something that takes microseconds loses more by falling asleep than by looking for the
/// answer: a processor that has gone to rest takes 20 to 60 µs to come back, much more than the rest of the way.
///
/// So the loop stays awake for a moment after something was asked for; never if nothing was. It learns whether that pays:
/// an answer that comes in time counts for it, one that does not against it, whether the loop has looked for it or slept.
struct Lookout {
    /// How long the loop stays awake, in nanoseconds.
    private static let length: UInt64 = 50_000
    /// How many looks in vain it takes until it is given up, and answers in time until it is tried again.
    private static let memory = 4

    private var end: UInt64 = 0
    private var balance = 0

    /// An answer is expected from now on.
    mutating func begin() { end = swiftlet_now() + Self.length }

    var isOpen: Bool { end > 0 && swiftlet_now() < end }

    var isWorthIt: Bool { balance >= 0 && end > 0 }

    mutating func close(hasPaid: Bool) {
        end = 0
        balance = hasPaid ? min(balance + 1, Self.memory) : max(balance - 1, -Self.memory)
    }

    /// The loop has slept. It would have paid to look out if that did not take long; part of it was the waking up.
    mutating func awoke() {
        if end > 0 { close(hasPaid: swiftlet_now() < end + Self.length) }
    }
}
