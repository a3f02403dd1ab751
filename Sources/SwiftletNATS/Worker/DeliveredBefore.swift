import SwiftletLoop
import SwiftletPool

/// What to do with a job that was delivered before.
enum DeliveredBefore {
    /// Its result is there: its worker was lost behind that, or an earlier run of its set had it done.
    case isDone
    case isToRun
    /// Its last worker was lost, and had nothing else to do.
    case isPoisonous
    /// The servers do not say, or cannot take note.
    case isUnknown
}

/// The number of deliveries says nothing about who is to blame: a worker that is lost takes with it what it was at, and what only
/// waited there. So a job that has been delivered often has a trial: it runs alone, which the worker writes down before. If
/// that worker is lost as well it was the job. The note lies in the stream of results, and goes with them.
extension Client {
    /// Looks into a job's past, and takes note that it is on trial if it is to run alone.
    ///
    /// - Throws: `CancellationError` when the loop ends.
    func lookBack(at key: String, deliveries: Int) throws -> DeliveredBefore {
        // Without an answer it is done again, which does no harm.
        if let result = try last(names.result(key)), Answer(result).isSuccess { return .isDone }
        guard isSuspicious(deliveries: deliveries) else { return .isToRun }
        let note = names.trial(key)
        if deliveries > configuration.deliveryLimit {
            guard let found = try last(note) else { return .isUnknown }
            if found.status == nil { return .isPoisonous }
        }
        let stored = Waiter<Bool>()
        publisher.publish(OutgoingMessage(note, text: "running alone")) { outcome in
            if case .stored = outcome { stored.resume(returning: true) } else { stored.resume(returning: false) }
        }
        return try stored.wait() == true ? .isToRun : .isUnknown
    }

    /// It is delivered for the last time, or more often: it is to run alone.
    func isSuspicious(deliveries: Int) -> Bool { deliveries > 1 && deliveries >= configuration.deliveryLimit }

    func endTrial(of key: String) { stream.purge(names.results, subject: names.trial(key)) }

    /// The last message of a subject in the stream of results.
    ///
    /// - Returns: with a status instead of a content when there is none; `nil` without an answer.
    private func last(_ subject: String) throws -> IncomingMessage? {
        let request = OutgoingMessage("$JS.API.DIRECT.GET.\(names.results)", text: "{\"last_by_subj\":\"\(subject)\"}")
        return try stream.ask(request, until: .after(.seconds(2)))
    }
}
