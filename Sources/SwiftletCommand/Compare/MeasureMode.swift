import ArgumentParser

/// Runs one mode in this process, for `compare`. Not meant to be typed.
struct MeasureMode: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "measure-mode", shouldDisplay: false)

    /// So many requests are enough to know what one after the other takes.
    private static let serialRequests = 3

    @Argument(transform: Mode.parse)
    var mode: Mode

    @Option
    var url: String

    @Option
    var requests: Int

    func run() throws {
        quitWithParent()
        let count = mode == .serial ? min(requests, Self.serialRequests) : requests
        let before = processorSeconds()
        let wall = try ContinuousClock().measure { try Requests(url: url, count: count).make(mode) }
        let processor = processorSeconds() - before
        printLine(Outcome(requests: count, wallSeconds: wall.inSeconds, processorSeconds: processor).line)
    }

    /// What the child tells its parent.
    struct Outcome {
        let requests: Int
        let wallSeconds: Double
        /// Of the requests alone; the parent sees what the whole process used.
        let processorSeconds: Double
    }
}

extension MeasureMode.Outcome {
    var line: String { "\(requests) \(wallSeconds) \(processorSeconds)" }

    init?(_ line: String) {
        let words = line.split(separator: " ")
        guard words.count == 3, let requests = Int(words[0]), let wall = Double(words[1]),
            let processor = Double(words[2])
        else { return nil }
        self.init(requests: requests, wallSeconds: wall, processorSeconds: processor)
    }
}
