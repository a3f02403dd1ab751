/// How far a loop's counters had come at what time.
///
/// The numbers of waits and fibers only grow. So when one began can be told afterwards, from a few samples a second, and the
/// loop itself notes no times.
struct LoopHistory {
    struct Sample {
        let time: UInt64
        let lastWait: UInt64
        let fibers: UInt64
        let turns: UInt64
        let processorTime: UInt64
    }

    private static let most = 1024
    private(set) var samples: [Sample] = []
    /// Since when the turns have stood still.
    private(set) var standsSince: UInt64 = 0

    mutating func add(_ sample: Sample) {
        if samples.last?.turns != sample.turns { standsSince = sample.time }
        // While nothing begins, the latest sample says it all; but it must not be too old to tell the busy share.
        if let last = samples.last, last.lastWait == sample.lastWait, last.fibers == sample.fibers,
            sample.time - last.time < 1_000_000_000
        {
            return
        }
        samples.append(sample)
        if samples.count > Self.most { thinOut(at: sample.time) }
    }

    /// The older, the coarser: what lies between two samples is at most a 64th of their age, or what came at once.
    private mutating func thinOut(at now: UInt64) {
        var kept = [samples[0]]
        for (sample, next) in zip(samples.dropFirst(), samples.dropFirst(2))
        where next.time - kept[kept.count - 1].time > (now - next.time) / 64 {
            kept.append(sample)
        }
        kept.append(samples[samples.count - 1])
        samples = kept
    }

    /// How long ago something began, by a counter that it raised: at least. A look takes its time, so samples may be younger.
    func age(_ number: UInt64, _ counter: (Sample) -> UInt64, at now: UInt64) -> (age: UInt64, isOlder: Bool)? {
        guard let first = samples.first, number > 0 else { return nil }
        if counter(first) >= number { return (now - min(first.time, now), true) }
        var (low, high) = (0, samples.count)
        while low < high {
            let middle = (low + high) / 2
            if counter(samples[middle]) < number { low = middle + 1 } else { high = middle }
        }
        return (low < samples.count ? now - min(samples[low].time, now) : 0, false)
    }

    /// In thousandths, of about the last two seconds.
    func busyShare(now: UInt64, processorTime: UInt64) -> Int? {
        guard let base = samples.last(where: { now > $0.time && now - $0.time > 1_500_000_000 }) ?? samples.first,
            now > base.time + 50_000_000, processorTime >= base.processorTime
        else { return nil }
        return Int(min(1000, (processorTime - base.processorTime) * 1000 / (now - base.time)))
    }
}
