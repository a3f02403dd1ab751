/// What one mode needed: a row of the table.
struct Measurement {
    let mode: Mode
    let requests: Int
    let delay: Duration
    let wallSeconds: Double
    let processorSeconds: Double
    let peakResidentBytes: Int
    /// Fewer than `requests` where the times are scaled.
    let requestsMade: Int

    var isScaled: Bool { requestsMade < requests }

    var json: String {
        let members: [(String, String)] = [
            ("mode", "\"\(mode.rawValue)\""), ("requests", "\(requests)"), ("delay_s", plain(delay.inSeconds)),
            ("wall_s", plain(wallSeconds)), ("cpu_s", plain(processorSeconds)),
            ("peak_rss_bytes", "\(peakResidentBytes)"), ("requests_made", "\(requestsMade)"),
        ]
        return "{" + members.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}"
    }

    /// To the tenth of a millisecond; whole numbers without a point.
    private func plain(_ number: Double) -> String {
        let rounded = (number * 10_000).rounded() / 10_000
        return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
    }
}

extension Double {
    /// With a fixed number of decimals, as in a table.
    func formatted(decimals: Int) -> String {
        var scale = 1
        for _ in 0..<decimals { scale *= 10 }
        let scaled = Int((self * Double(scale)).rounded())
        if decimals == 0 { return "\(scaled)" }
        let fraction = "\(scaled % scale)"
        return "\(scaled / scale)." + String(repeating: "0", count: decimals - fraction.count) + fraction
    }

    /// Three digits where that is enough: 3.01, 12.3, 305.
    var formatted: String { formatted(decimals: self < 10 ? 2 : self < 100 ? 1 : 0) }
}
