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
    func searchForLostJobs() throws {
        while true {
            try sleep(.seconds(2))
            let now = ContinuousClock.now
            for key in open.filter({ $0.value.publication == nil && $0.value.search.next <= now }).keys {
                guard let client, open[key] != nil else { continue }
                open[key]?.search.begin()
                try search(key, client)
            }
        }
    }

    /// A worker stores the result before it takes the job out of its stream. So a job that is not there has a result; if there
    /// is none, either was lost, and the job is put into the stream again.
    private func search(_ key: String, _ client: Client) throws {
        let limit = Duration.seconds(3)
        let job = OutgoingMessage(
            "$JS.API.STREAM.MSG.GET.\(client.names.jobs)", text: "{\"last_by_subj\":\"\(client.names.job(key))\"}")
        guard let found = try client.stream.ask(job, until: .after(limit)), found.status == nil,
            JSON(found.bytes)?["error"]?["err_code"]?.integer == 10037
        else { return }  // it is there, or nobody can tell
        let result = OutgoingMessage(
            "$JS.API.DIRECT.GET.\(client.names.results)",
            text: "{\"last_by_subj\":\"\(client.names.result(key))\"}")
        guard let answer = try client.stream.ask(result, until: .after(limit)) else { return }
        if answer.status == nil { return self.answer(key, with: answer) }
        guard answer.status == 404, let call = open[key]?.call, open[key]?.publication == nil else { return }
        put(call, key, client)
    }
}
