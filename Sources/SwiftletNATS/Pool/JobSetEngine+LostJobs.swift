import SwiftletLoop

/// When a job that is not answered is looked for: after a while, and then again after longer and longer.
struct LostJobSearch {
    private static let first = Duration.seconds(10)
    private static let longest = Duration.seconds(60)

    private(set) var next = ContinuousClock.now + LostJobSearch.first
    private var count = 0

    mutating func begin() {
        count += 1
        next = .now + min(Self.first * count, Self.longest)
    }
}

extension JobSetEngine {
    /// Looks for jobs that are not answered for long. Servers may lose what they have acknowledged, when several of them fail
    /// together, or one comes back with less than the others have.
    ///
    /// Many at a time: as long as nobody can tell, each takes seconds. Those are looked for again soon.
    func searchForLostJobs() throws {
        while true {
            try sleep(.seconds(2))
            let now = ContinuousClock.now
            var due = open.filter { $0.value.publication == nil && $0.value.search.next <= now }.map(\.key)[...]
            var isAnswered = true
            while isAnswered, !due.isEmpty {
                isAnswered = try search(due.prefix(Self.searchesAtOnce))
                due = due.dropFirst(Self.searchesAtOnce)
            }
        }
    }

    private static let searchesAtOnce = 100

    /// - Returns: whether there were answers about all of them.
    private func search(_ keys: ArraySlice<String>) throws -> Bool {
        guard let client else { return false }
        let fibers = keys.map { key in
            loop.spawn(name: "search for a lost NATS job") { [self] in
                let isAnswered = try search(key, client)
                if isAnswered { open[key]?.search.begin() }
                return isAnswered
            }
        }
        // All of them end soon, with the loop at the latest.
        return try fibers.map { try $0.get() }.allSatisfy { $0 }
    }

    /// A worker stores the result before it takes the job out of its stream. So a job that is not there has a result; if there
    /// is none, either was lost, and the job is put into the stream again.
    ///
    /// - Returns: whether there was an answer.
    private func search(_ key: String, _ client: Client) throws -> Bool {
        guard open[key] != nil else { return true }
        let limit = Duration.seconds(3)
        let job = OutgoingMessage(
            "$JS.API.STREAM.MSG.GET.\(client.names.jobs)", text: "{\"last_by_subj\":\"\(client.names.job(key))\"}")
        guard let found = try client.stream.ask(job, until: .after(limit)), found.status == nil,
            let told = JSON(found.bytes)
        else { return false }
        guard let error = told["error"] else { return true }  // it is there
        guard error["err_code"]?.integer == 10037 else { return false }
        let result = OutgoingMessage(
            "$JS.API.DIRECT.GET.\(client.names.results)",
            text: "{\"last_by_subj\":\"\(client.names.result(key))\"}")
        guard let answer = try client.stream.ask(result, until: .after(limit)) else { return false }
        if answer.status == nil {
            self.answer(key, with: answer)
            return true
        }
        guard answer.status == 404 else { return false }
        if let call = open[key]?.call, open[key]?.publication == nil { put(call, key, client) }
        return true
    }
}
