import Glibc

/// The jobs of one call, in the worker that runs them, and what comes of them. For `PoolJob.runAll`.
///
/// Jobs and values of plain types lie here as in an array, so that the loop over them, which is compiled with their types,
/// has nothing to ask for. Of a job that cannot be decoded the place is known, so the others are not lost. Outcomes are only
/// the values as long as there are no errors, which need a byte each to tell them apart.
public final class JobBatch<Job: PoolJob>: @unchecked Sendable {
    private let payload: Payload
    private let onError: @Sendable (any Error, String) -> Void
    // Only the task that runs the jobs uses it; checks for exclusive access would cost more than an empty job.
    @usableFromInline let plainJobs: UnsafeMutableBufferPointer<Job>
    @usableFromInline @exclusivity(unchecked) var taken = 0
    /// The values of a plain type, as many as have succeeded. None any more once a job has failed.
    @usableFromInline @exclusivity(unchecked) var plainValues: UnsafeMutablePointer<Job.Output>?
    @usableFromInline @exclusivity(unchecked) var succeeded = 0
    /// How many jobs are still to be decoded.
    private var encodedJobs: Int
    private lazy var decoder = BinaryDecoder(payload.bytes, at: jobsStart)
    private let jobsStart: Int
    private let writer = ByteWriter(sharedFrom: SharedMemory.smallest)
    private lazy var encoder = BinaryEncoder(writer)
    private var flags: FrameFlags

    init(_ input: JobInput, _ onError: @escaping @Sendable (any Error, String) -> Void) {
        payload = input.payload
        self.onError = onError
        jobsStart = input.start + 4
        let bytes = payload.bytes
        var count = bytes.count < jobsStart ? 0 : Int(bytes.loadUnaligned(fromByteOffset: input.start, as: UInt32.self))
        if input.isPlain, isPlain(Job.self) {
            // Where they lie they may not be aligned.
            let stride = plainStride(Job.self)
            if stride > 0 { count = min(count, (bytes.count - jobsStart) / stride) }
            plainJobs = .allocate(capacity: count)
            UnsafeMutableRawBufferPointer(plainJobs).copyMemory(
                from: UnsafeRawBufferPointer(rebasing: bytes[jobsStart..<jobsStart + count * stride]))
            encodedJobs = 0
        } else {
            plainJobs = UnsafeMutableBufferPointer(start: nil, count: 0)
            // Each takes a byte at least: there are no more than have come.
            encodedJobs = min(count, max(bytes.count - jobsStart, 0))
        }
        let isPlainOutput = input.sharesBuild && isPlain(Job.Output.self)
        flags = isPlainOutput ? .plain : []
        plainValues = isPlainOutput ? .allocate(capacity: plainJobs.count + encodedJobs) : nil
    }

    deinit {
        plainJobs.deallocate()
        plainValues?.deallocate()
    }

    // MARK: Jobs

    /// The next job; none at the end.
    @inlinable
    @inline(__always)
    func next() -> Job? {
        guard taken < plainJobs.count else { return decodeNext() }
        defer { taken += 1 }
        return plainJobs[taken]
    }

    @usableFromInline
    func decodeNext() -> Job? {
        while encodedJobs > 0 {
            encodedJobs -= 1
            do {
                return try decoder.decode(Job.self)
            } catch {
                write(RemoteError(kind: .undecodableArgument, error, process: getpid()))
            }
        }
        return nil
    }

    // MARK: Outcomes

    @inlinable
    @inline(__always)
    func succeed(_ value: Job.Output) {
        guard let plainValues else { return encode(value) }
        (plainValues + succeeded).initialize(to: value)
        succeeded += 1
    }

    @usableFromInline
    func encode(_ value: Job.Output) {
        let start = writer.count
        do {
            if flags.contains(.mixed) { writer.byte(1) }
            if flags.contains(.plain) { writer.plain(value) } else { try encoder.encode(value) }
            succeeded += 1
        } catch {
            writer.truncate(to: start)
            write(RemoteError(kind: .unencodableResult, error, process: getpid()))
        }
    }

    @usableFromInline
    func fail(_ error: any Error) {
        if !(error is CancellationError) { onError(error, Job.jobName) }
        write(RemoteError(thrown: error, process: getpid()))
    }

    private func write(_ error: RemoteError) {
        if !flags.contains(.mixed) { mix() }
        writer.byte(0)
        // Three texts and a list of bytes: they can always be encoded.
        try! encoder.encode(error)
    }

    /// Puts the byte before each of the values that are there.
    private func mix() {
        let copy = Payload(copying: plainValues == nil ? writer.bytes : plainBytes)
        defer { withExtendedLifetime(copy) {} }
        let values = copy.bytes
        flags.insert(.mixed)
        writer.truncate(to: 0)
        plainValues?.deallocate()
        plainValues = nil
        let decoder = BinaryDecoder(values)
        var offset = 0
        for _ in 0..<succeeded {
            // What was written just now can be read.
            let end =
                flags.contains(.plain) ? offset + plainStride(Job.Output.self) : try! decoder.end(ofValueAt: offset)
            writer.byte(1)
            writer.append(UnsafeRawBufferPointer(rebasing: values[offset..<end]))
            offset = end
        }
    }

    private var plainBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: plainValues, count: succeeded * plainStride(Job.Output.self))
    }

    /// To be asked for once, at the end.
    var output: JobOutput {
        if plainValues != nil { writer.append(plainBytes) }
        return JobOutput(writer: writer, flags: flags)
    }
}
