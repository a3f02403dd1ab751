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
            let file = answer.file.map { ", \"file\": \(Self.quoted($0))" } ?? ""
            return """
                {"url": \(Self.quoted(url)), "final_url": \(Self.quoted(answer.finalURL)), "status": \(answer.status), \
                "bytes": \(answer.bytes), "elapsed_s": \(Self.seconds(answer.elapsed)), "attempts": \(attempts)\(file)}

                """
        case .error(let kind, let message):
            return """
                {"url": \(Self.quoted(url)), "error": {"kind": "\(kind.rawValue)", "message": \(Self.quoted(message))}, \
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

    /// A string of JSON (RFC 8259, 7).
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 32 || scalar.value == 127:
                quoted += scalar.value < 16 ? "\\u000" : "\\u00"
                quoted += String(scalar.value, radix: 16)
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
