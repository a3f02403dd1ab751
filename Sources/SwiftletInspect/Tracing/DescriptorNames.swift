import SwiftletLoop

/// What a recording calls descriptors. It asks the kernel a little later than the event was, when the number may be another's:
/// a name counts only for events since its descriptor was made.
struct DescriptorNames {
    private struct Told {
        /// When the descriptor was made; 0: before the inspection began. `nil`: it is gone, and what it was is not known.
        let made: UInt64?
        let time: UInt64
    }

    private var told: [UInt64: Told] = [:]

    /// The text that is to be told of a descriptor before an event about it, unless what was told last holds.
    mutating func news(of number: UInt64, at time: UInt64) -> String? {
        let descriptor = CInt(truncatingIfNeeded: number)
        let last = DescriptorOrigins.last(descriptor)
        let made = last?.time ?? 0
        // The number is another's by now.
        guard made <= time else { return gone(number, at: time) }
        if let told = told[number], told.made == made {
            // A socket is called otherwise once it is connected.
            if last?.isOpen == false || time < told.time + 1_000_000_000 { return nil }
        } else if last?.isOpen == false {
            return gone(number, at: time)
        }
        let text = DescriptorText.describe(descriptor)
        // It may have been closed while it was looked at.
        let after = DescriptorOrigins.last(descriptor)
        guard text != DescriptorText.closed, after?.time == last?.time, after?.isOpen == last?.isOpen else {
            return told[number]?.made == made ? nil : gone(number, at: time)
        }
        told[number] = Told(made: made, time: time)
        return text
    }

    private mutating func gone(_ number: UInt64, at time: UInt64) -> String? {
        if let told = told[number], told.made == nil { return nil }
        told[number] = Told(made: nil, time: time)
        return "descriptor \(number), which is closed by now,"
    }
}
