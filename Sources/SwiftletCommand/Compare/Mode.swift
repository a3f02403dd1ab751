/// One way of making many requests.
enum Mode: String, CaseIterable {
    case serial, threads, fibers, tasks, loops, processes
    case processesTasks = "processes-tasks"

    var about: String {
        switch self {
        case .serial: "blocking client, one after the other"
        case .threads: "blocking client, a thread a request"
        case .fibers: "blocking client in fibers, one thread"
        case .tasks: "async client in tasks, one thread"
        case .loops: "fibers over several loops, one a core"
        case .processes: "blocking client, 8 processes, one request at a time"
        case .processesTasks: "async client in tasks, 8 processes"
        }
    }

    /// How long the tutorial's nearest program took for 100 requests of 3 s, on 8 processors.
    var tutorial: (seconds: Double, with: String)? {
        switch self {
        case .serial: (305, "requests")
        case .threads: nil
        case .fibers: nil
        case .tasks: (3.1, "asyncio")
        case .loops: nil
        case .processes: (48, "multiprocessing")
        case .processesTasks: (3.1, "aiomultiprocess")
        }
    }

    static func parse(_ word: String) throws -> Mode {
        guard let mode = Mode(rawValue: word) else { throw UnknownMode(word: word) }
        return mode
    }

    static func parseList(_ text: String) throws -> [Mode] {
        let wanted = try text.split(separator: ",", omittingEmptySubsequences: false).map { try parse(String($0)) }
        return allCases.filter(wanted.contains)
    }
}

struct UnknownMode: Error, CustomStringConvertible {
    let word: String

    var description: String {
        "there is no mode '\(word)'; there are \(Mode.allCases.map(\.rawValue).joined(separator: ","))"
    }
}
