package import SwiftletLoop

/// One or more jobs of a type on their way through a pool: what goes to a worker in one piece.
///
/// States: waiting -> running -> answered; back to waiting if its worker dies and it may be retried. `answer` is called once,
/// whatever happens. On the pool's loop only, once it has been submitted.
package final class PoolCall: @unchecked Sendable {
    package enum Outcome {
        /// What the worker wrote; good during the call, or as long as what it lies in.
        case output(FrameFlags, UnsafeRawBufferPointer, Payload?)
        case failure(any Error)

        /// The same for later.
        var kept: Outcome {
            guard case .output(let flags, let bytes, nil) = self, !bytes.isEmpty else { return self }
            let payload = Payload(copying: bytes)
            return .output(flags, payload.bytes, payload)
        }

        /// Not all of the jobs have succeeded.
        var hasFailure: Bool {
            guard case .output(let flags, _, _) = self else { return true }
            return !flags.isDisjoint(with: [.mixed, .failed])
        }
    }

    package let job: any PoolJob.Type
    package let payload: Payload
    /// Where in it the jobs begin, behind what belongs to this call alone.
    package let jobsStart: Int
    package let flags: FrameFlags
    /// How many jobs.
    package let count: Int
    package let deadline: Deadline?
    private var answer: ((Outcome) -> Void)?

    package var number: UInt64 = 0
    /// In which queue it has to wait, if it matters. Set before it is submitted.
    var queue: Int?
    var attempts = 0
    unowned(unsafe) var worker: PoolWorker?
    package var timer: TimerHandle?

    init(
        _ job: any PoolJob.Type, _ payload: Payload, jobsStart: Int, _ flags: FrameFlags, count: Int,
        deadline: Deadline?,
        answer: @escaping (Outcome) -> Void
    ) {
        self.job = job
        self.payload = payload
        self.jobsStart = jobsStart
        self.flags = flags
        self.count = count
        self.deadline = deadline
        self.answer = answer
    }

    package var isAnswered: Bool { answer == nil }

    package func finish(_ outcome: Outcome) {
        guard let answer = answer.take() else { return }
        timer?.cancel()
        timer = nil
        answer(outcome)
    }
}
