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
        run = { await runJobs(type, $0, $1) }
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

private func runJobs<Job: PoolJob>(
    _ type: Job.Type, _ input: JobInput, _ onError: @Sendable (any Error, String) -> Void
) async -> JobOutput {
    let reader = JobReader<Job>(input)
    let outcomes = OutcomeWriter<Job.Output>(sharesBuild: input.sharesBuild)
    while let job = reader.next() {
        switch job {
        case .failure(let error): outcomes.fail(RemoteError(kind: .undecodableArgument, error, process: getpid()))
        case .success(let job):
            do {
                try outcomes.succeed(await job.run())
            } catch let error as UnencodableResult {
                outcomes.fail(RemoteError(kind: .unencodableResult, error.reason, process: getpid()))
            } catch {
                if !(error is CancellationError) { onError(error, Job.jobName) }
                outcomes.fail(RemoteError(thrown: error, process: getpid()))
            }
        }
    }
    return outcomes.output
}

struct UnencodableResult: Error {
    let reason: any Error
}

/// Reads the jobs of a call. Of one that cannot be decoded the place is known, so the others are not lost.
private final class JobReader<Job: PoolJob> {
    private let payload: Payload
    private let decoder: BinaryDecoder
    private let plain: UnsafeBufferPointer<Job>?
    private var taken = 0
    private var left: Int

    init(_ input: JobInput) {
        payload = input.payload
        let position = input.start + 4
        decoder = BinaryDecoder(payload.bytes, at: position)
        left = (try? decoder.fixed(UInt32.self, at: input.start)).map { Int($0) } ?? 0
        guard input.isPlain, isPlain(Job.self) else {
            plain = nil
            return
        }
        // Where they lie they may not be aligned.
        let stride = plainStride(Job.self)
        if stride > 0 { left = min(left, (payload.bytes.count - position) / stride) }
        let values = UnsafeMutableBufferPointer<Job>.allocate(capacity: left)
        let size = left * stride
        UnsafeMutableRawBufferPointer(values).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: payload.bytes[position..<position + size]))
        plain = UnsafeBufferPointer(values)
    }

    deinit { plain?.deallocate() }

    @inline(__always)
    func next() -> Result<Job, any Error>? {
        guard left > 0 else { return nil }
        left -= 1
        if let plain {
            defer { taken += 1 }
            return .success(plain[taken])
        }
        return Result { try decoder.decode(Job.self) }
    }
}

/// Writes outcomes: only the values as long as there are no errors, which need a byte each to tell them apart.
private final class OutcomeWriter<Output: Codable> {
    private let encoder = BinaryEncoder(ByteWriter(sharedFrom: SharedMemory.smallest))
    private var flags: FrameFlags
    private var count = 0

    init(sharesBuild: Bool) { flags = sharesBuild && isPlain(Output.self) ? .plain : [] }

    var output: JobOutput { JobOutput(writer: encoder.writer, flags: flags) }

    @inline(__always)
    func succeed(_ value: Output) throws(UnencodableResult) {
        let start = encoder.writer.count
        do {
            if flags.contains(.mixed) { encoder.writer.byte(1) }
            if flags.contains(.plain) {
                encoder.writer.plain(value)
            } else {
                try encoder.encode(value)
            }
            count += 1
        } catch {
            encoder.writer.truncate(to: start)
            throw UnencodableResult(reason: error)
        }
    }

    func fail(_ error: RemoteError) {
        if !flags.contains(.mixed) { rewrite() }
        encoder.writer.byte(0)
        // Three texts and a list of bytes: they can always be encoded.
        try! encoder.encode(error)
        count += 1
    }

    /// Puts the byte before each of the values that are there.
    private func rewrite() {
        flags.insert(.mixed)
        guard count > 0 else { return }
        let before = Payload(copying: encoder.writer.bytes)
        encoder.writer.truncate(to: 0)
        let decoder = BinaryDecoder(before.bytes)
        var offset = 0
        for _ in 0..<count {
            // What was written just now can be read.
            let end = flags.contains(.plain) ? offset + plainStride(Output.self) : try! decoder.end(ofValueAt: offset)
            encoder.writer.byte(1)
            encoder.writer.append(UnsafeRawBufferPointer(rebasing: before.bytes[offset..<end]))
            offset = end
        }
    }
}
