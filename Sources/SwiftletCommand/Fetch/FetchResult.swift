/// What came of a URL.
struct FetchResult {
    /// What went wrong, as results name it.
    enum ErrorKind: String, CaseIterable, Codable {
        case url
        case timeout
        case dns
        case connect
        case tls
        case `protocol`
        case http
        case cancelled
        /// The worker that was at it was lost, or could not say what came of it.
        case worker
    }

    struct Answer: Codable {
        var finalURL: String
        var status: Int
        /// Of the decoded body.
        var bytes: Int
        var elapsed: Duration
        /// Where the body was saved.
        var file: String?
    }

    enum Outcome: Codable {
        case answer(Answer)
        case error(ErrorKind, String)
    }

    let url: String
    let outcome: Outcome
    let attempts: Int

    /// One line of JSON with its end.
    var line: String {
        switch outcome {
        case .answer(let answer):
            let file = answer.file.map { ", \"file\": \(JSONText.quoted($0))" } ?? ""
            return """
                {"url": \(JSONText.quoted(url)), "final_url": \(JSONText.quoted(answer.finalURL)), "status": \(answer.status), \
                "bytes": \(answer.bytes), "elapsed_s": \(Self.seconds(answer.elapsed)), "attempts": \(attempts)\(file)}

                """
        case .error(let kind, let message):
            return """
                {"url": \(JSONText.quoted(url)), "error": {"kind": "\(kind.rawValue)", "message": \(JSONText.quoted(message))}, \
                "attempts": \(attempts)}

                """
        }
    }

    /// Seconds with six decimals.
    private static func seconds(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let fraction = String(attoseconds / 1_000_000_000_000)
        return "\(seconds).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
    }
}
