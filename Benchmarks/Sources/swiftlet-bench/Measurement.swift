import Glibc

extension Duration {
    var seconds: Double { self / .seconds(1) }
    func nanoseconds(per count: Int) -> Double { self / .nanoseconds(1) / Double(count) }
}

/// User and system time of this process so far.
func processorSeconds() -> Double {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
        + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    guard fgets(&line, 256, file) != nil else { return 0 }
    let numbers = line.prefix { $0 != 0 }.split(separator: CChar(UInt8(ascii: " ")))
    let pages = Int(String(decoding: numbers[1].map(UInt8.init(bitPattern:)), as: UTF8.self))
    return pages! * sysconf(Int32(_SC_PAGESIZE))
}

/// Prints the JSON line that ../../README.md defines.
func emit(
    _ workload: String, _ peer: String, count: Int, value: Double, unit: String,
    more: KeyValuePairs<String, Double> = [:]
) {
    let what = #""workload":"\#(workload)","peer":"\#(peer)""#
    let members = more.map { ",\"\($0.key)\":\($0.value)" }.joined()
    print(#"{\#(what),"n":\#(count),"value":\#(value),"unit":"\#(unit)"\#(members)}"#)
    fflush(nil)
}

func complain(_ text: String) {
    let line = "swiftlet-bench: \(text)\n"
    _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
}

/// The same sequence of 0 to 1 that the peers draw, in every language (xorshift64*).
struct PeerRandom {
    private var state: UInt64 = 88_172_645_463_325_252

    mutating func next() -> Double {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return Double((state &* 2_685_821_657_736_338_717) >> 11) / 9_007_199_254_740_992.0
    }
}
