import Glibc

/// How far a run is, on a terminal: a bar with rate and time to go, one line that is written anew.
struct FetchProgress {
    let isTerminal = isatty(STDERR_FILENO) == 1
    private static let width = 24
    /// To the beginning of the line, and empties it.
    static let emptyLine = "\r\u{1b}[K"

    func show(_ tally: FetchTally, total: Int?) {
        let done = tally.finished + tally.skipped
        var text = "\(done)"
        if let total, total > 0 {
            let share = min(Double(done) / Double(total), 1)
            let filled = Int(share * Double(Self.width))
            let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: Self.width - filled)
            text = "[\(bar)] \(done)/\(total) \(Int(share * 100)) %"
        }
        text += "  \(FetchTally.text(tally.rate))/s"
        if let total, tally.finished > 0 {
            text += "  \(FetchTally.text(.seconds(Double(max(total - done, 0)) / tally.rate))) to go"
        }
        if tally.failures > 0 { text += "  \(tally.failures) failed" }
        writeToStandardError(Self.emptyLine + text)
    }

    /// Leaves the terminal's line to what follows.
    func clear() { if isTerminal { writeToStandardError(Self.emptyLine) } }
}
