import Glibc

/// What has come of a run so far, in memory that does not grow.
struct FetchTally {
    private let start = ContinuousClock.now
    private var statuses: [Int: Int] = [:]
    private var errors: [FetchResult.ErrorKind: Int] = [:]
    private var bytes = 0
    /// How many answers took how long: microseconds in steps of a sixteenth of an octave, so percentiles are right to 4 %.
    private var latencies = [Int](repeating: 0, count: 40 * 16)
    private var longest = Duration.zero
    /// Finished by an earlier run.
    var skipped = 0

    var answers: Int { statuses.values.reduce(0, +) }
    var failures: Int { errors.values.reduce(0, +) }
    var finished: Int { answers + failures }
    var elapsed: Duration { ContinuousClock.now - start }
    /// Results a second.
    var rate: Double { Double(finished) / max(elapsed.inSeconds, 0.001) }

    mutating func add(_ result: FetchResult) {
        switch result.outcome {
        case .error(let kind, _): errors[kind, default: 0] += 1
        case .answer(let answer):
            statuses[answer.status, default: 0] += 1
            bytes += answer.bytes
            longest = max(longest, answer.elapsed)
            let microseconds = max(answer.elapsed.inSeconds * 1e6, 1)
            latencies[min(Int(log2(microseconds) * 16), latencies.count - 1)] += 1
        }
    }

    /// The time within which such a part of the answers came.
    private func percentile(_ part: Double) -> Duration {
        var rest = Int((Double(answers) * part).rounded(.up))
        for (step, count) in latencies.enumerated() {
            rest -= count
            if rest <= 0 { return min(.seconds(exp2(Double(step + 1) / 16) / 1e6), longest) }
        }
        return longest
    }

    /// The end of a run in words.
    func summary(isInterrupted: Bool) -> String {
        var lines = [
            "\(isInterrupted ? "interrupted: " : "")\(Wording.count(finished, "URL")) in \(Self.text(elapsed)) (\(Self.text(rate))/s): "
                + "\(answers) fetched, \(failures) failed" + (skipped > 0 ? ", \(skipped) finished before" : "")
        ]
        if !statuses.isEmpty {
            lines.append(
                "status   "
                    + statuses.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", "))
            lines.append(
                "latency  "
                    + [("50 %", 0.5), ("90 %", 0.9), ("99 %", 0.99)].map { "\($0) \(Self.text(percentile($1)))" }
                    .joined(separator: ", ") + ", longest \(Self.text(longest))")
            lines.append("bodies   \(bytes) bytes")
        }
        if !errors.isEmpty {
            let kinds = FetchResult.ErrorKind.allCases.compactMap { kind in
                errors[kind].map { "\(kind.rawValue): \($0)" }
            }
            lines.append("errors   " + kinds.joined(separator: ", "))
        }
        return lines.map { $0 + "\n" }.joined()
    }

    static func text(_ duration: Duration) -> String {
        let seconds = duration.inSeconds
        return seconds < 1 ? "\(text(seconds * 1000)) ms" : "\(text(seconds)) s"
    }

    /// Three digits or all before the point.
    static func text(_ number: Double) -> String {
        if number >= 100 { return String(Int(number.rounded())) }
        let scale = number >= 10 ? 10.0 : 100.0
        return "\((number * scale).rounded() / scale)"
    }
}
