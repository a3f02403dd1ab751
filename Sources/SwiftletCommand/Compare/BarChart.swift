import Glibc

/// Wall times as bars on a logarithmic scale, ours and the tutorial's.
struct BarChart: CustomStringConvertible {
    let measurements: [Measurement]
    /// Blocks of an eighth of a character for a terminal, plain ASCII else.
    let usesBlocks: Bool

    private struct Bar {
        let name: String
        let seconds: Double
        let isOurs: Bool
    }

    var description: String {
        let bars = measurements.flatMap { row in
            [Bar(name: row.mode.rawValue, seconds: row.wallSeconds, isOurs: true)]
                + (row.mode.tutorial.map { [Bar(name: $0.with, seconds: $0.seconds, isOurs: false)] } ?? [])
        }
        guard let shortest = bars.map(\.seconds).min(), let longest = bars.map(\.seconds).max() else { return "" }
        // The scale begins at the power of ten below the shortest, so that this one has a bar too.
        let origin = pow(10, (log10(max(shortest, 0.001)) - 0.01).rounded(.down))
        let decades = max(log10(longest / origin), 1)
        let width = 50.0
        let nameWidth = bars.map(\.name.count).max()!
        let lines = bars.map { bar in
            let length = max(log10(bar.seconds / origin), 0) / decades * width
            let name = bar.name + String(repeating: " ", count: nameWidth - bar.name.count)
            return "\(name)  \(draw(length, isOurs: bar.isOurs)) \(bar.seconds.formatted) s"
        }
        let ours = usesBlocks ? "█" : "#"
        let theirs = usesBlocks ? "░" : "-"
        let scale = origin < 1 ? "\(origin)" : "\(Int(origin))"
        return (["wall time, log scale from \(scale) s; \(ours) here, \(theirs) the tutorial"] + lines)
            .joined(separator: "\n")
    }

    private func draw(_ length: Double, isOurs: Bool) -> String {
        guard usesBlocks else { return String(repeating: isOurs ? "#" : "-", count: Int(length.rounded())) }
        guard isOurs else { return String(repeating: "░", count: Int(length.rounded())) }
        let eighths = Int((length * 8).rounded())
        let rest = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
        return String(repeating: "█", count: eighths / 8) + rest
    }
}
