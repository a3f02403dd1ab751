import SwiftletPool

/// What names a call within its job set.
///
/// In a set without a name it is a running number. In a named one it follows from the jobs alone, so that a caller that is
/// started again finds what it has asked for before, in whatever order it asks: a hash of them, and a number that tells equal
/// ones apart. Jobs whose encoded form differs from run to run (it has a `Set` or a `Dictionary` in it) are never found.
struct CallIdentities {
    private let isNamed: Bool
    private var last = 0
    private var seen: [UInt128: Int] = [:]

    init(isNamed: Bool) { self.isNamed = isNamed }

    mutating func next(_ call: PoolCall) -> String {
        guard isNamed else {
            last += 1
            return String(last)
        }
        let hash = Self.hash(call)
        let number = seen[hash, default: 0]
        seen[hash] = number + 1
        return number == 0 ? String(hash, radix: 36) : "\(String(hash, radix: 36))-\(number)"
    }

    /// FNV-1a in 128 bits: the same in all processes.
    private static func hash(_ call: PoolCall) -> UInt128 {
        let prime: UInt128 = 1 << 88 | 0x13b
        var hash: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
        for byte in "\(call.job.jobName) \(call.job.jobVersion) ".utf8 { hash = (hash ^ UInt128(byte)) &* prime }
        for byte in call.payload.bytes[call.jobsStart...] { hash = (hash ^ UInt128(byte)) &* prime }
        return hash
    }
}
