import SwiftletLoop

/// One or more jobs of a type on their way through a pool: what goes to a worker in one piece.
///
/// States: waiting -> running -> answered; back to waiting if its worker dies and it may be retried. `answer` is called once,
/// whatever happens. On the pool's loop only, once it has been submitted.
final class PoolCall: @unchecked Sendable {
    enum Outcome {
        /// What the worker wrote, good during the call.
        case output(FrameFlags, UnsafeRawBufferPointer)
        case failure(any Error)
    }

    let job: any PoolJob.Type
    let payload: Payload
    let flags: FrameFlags
    /// How many jobs.
    let count: Int
    let deadline: Deadline?
    private var answer: ((Outcome) -> Void)?

    var number: UInt64 = 0
    var attempts = 0
    unowned(unsafe) var worker: PoolWorker?
    var timer: TimerHandle?

    init(
        _ job: any PoolJob.Type, _ payload: Payload, _ flags: FrameFlags, count: Int, deadline: Deadline?,
        answer: @escaping (Outcome) -> Void
    ) {
        self.job = job
        self.payload = payload
        self.flags = flags
        self.count = count
        self.deadline = deadline
        self.answer = answer
    }

    var isAnswered: Bool { answer == nil }

    func finish(_ outcome: Outcome) {
        guard let answer = answer.take() else { return }
        timer?.cancel()
        timer = nil
        answer(outcome)
    }
}
