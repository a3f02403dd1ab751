import Glibc
import SwiftletLoop

/// A type of jobs, as a worker runs it.
package struct JobType: Sendable {
    package let name: String
    package let version: Int
    /// Runs the jobs of one call, one after the other, and writes what comes of them. Never throws: each job has its outcome.
    package let run: @Sendable (JobInput, @escaping @Sendable (any Error, String) -> Void) async -> JobOutput

    package init<Job: PoolJob>(_ type: Job.Type) {
        name = Job.jobName
        version = Job.jobVersion
        run = { input, onError in
            let batch = JobBatch<Job>(input, onError)
            await Job.runAll(batch)
            return batch.output
        }
    }
}

/// The jobs of one call, encoded.
package struct JobInput: @unchecked Sendable {
    let payload: Payload
    /// Where the jobs begin in it.
    let start: Int
    let isPlain: Bool
    /// Outcomes of plain types may go as they lie in memory.
    let sharesBuild: Bool

    package init(payload: Payload, start: Int, isPlain: Bool, sharesBuild: Bool) {
        self.payload = payload
        self.start = start
        self.isPlain = isPlain
        self.sharesBuild = sharesBuild
    }
}

/// Their outcomes, encoded.
package struct JobOutput: @unchecked Sendable {
    let writer: ByteWriter
    package let flags: FrameFlags

    /// To be asked for once.
    package var payload: Payload { Payload(writer) }
}

/// A type whose values hold no references goes as it lies in memory: both sides are one build.
func isPlain<Value>(_ type: Value.Type) -> Bool { _isPOD(type) }

/// How far apart plain values lie on the wire: types without content take no room.
func plainStride<Value>(_ type: Value.Type) -> Int {
    MemoryLayout<Value>.size == 0 ? 0 : MemoryLayout<Value>.stride
}
