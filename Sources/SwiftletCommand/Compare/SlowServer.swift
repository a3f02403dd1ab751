/// `swiftlet serve` as a child process, on a free port.
final class SlowServer {
    let url: String
    private let process: ChildProcess

    init(delay: Duration) throws {
        process = try ChildProcess(arguments: ["serve", "--port", "0", "--delay", "\(delay.inSeconds)s", "--child"])
        guard let line = process.readLine(), let start = line.firstRange(of: "http://")?.lowerBound else {
            process.end()
            throw Failure.unavailable("the slow server did not start")
        }
        url = String(line[start...].prefix { $0 != " " })
    }

    func end() { process.end() }
}
