import SwiftletLoop

/// Encodes jobs of one type into a call.
struct CallBuilder<Job: PoolJob> {
    private let writer: ByteWriter
    private lazy var encoder = BinaryEncoder(writer)
    private let countAt: Int
    private let deadline: Deadline?
    private var flags: FrameFlags
    private(set) var count = 0

    /// - Parameter deadline: travels with the call, as do the values of `CallContext` that are bound here.
    init(
        _ type: Job.Type, for engine: any CallEngine, deadline: Deadline?,
        values: [String: String] = CallContext.values
    ) {
        // Workers of another build may be on another machine.
        writer = ByteWriter(sharedFrom: engine.sharesBuild ? SharedMemory.smallest : .max)
        self.deadline = deadline
        flags = Self.isPlain(for: engine) ? .plain : []
        if deadline != nil || !values.isEmpty {
            flags.insert(.enveloped)
            // Numbers and texts can always be encoded.
            try! BinaryEncoder(writer).encode(CallEnvelope(remaining: deadline?.remaining, values: values))
        }
        countAt = writer.count
        writer.fixed(0 as UInt32)
    }

    /// The jobs go as they lie in memory.
    static func isPlain(for engine: any CallEngine) -> Bool { engine.sharesBuild && SwiftletPool.isPlain(Job.self) }

    /// Adds jobs of a plain type, at most so many.
    mutating func add(_ most: Int, from jobs: JobSource<Job>) {
        let stride = plainStride(Job.self)
        count = jobs.takePlain(most, writer.room(for: most * stride))
        writer.advance(count * stride)
    }

    /// Adds jobs up to the first that cannot be encoded.
    ///
    /// - Returns: that one's index, and why.
    mutating func add(_ jobs: ArraySlice<Job>) -> (Int, PoolError)? {
        if flags.contains(.plain) {
            count += jobs.count
            if plainStride(Job.self) > 0 { jobs.withUnsafeBytes { writer.append($0) } }
            return nil
        }
        for index in jobs.indices {
            do {
                try add(jobs[index])
            } catch {
                return (index, error)
            }
        }
        return nil
    }

    /// - Throws: `PoolError.unencodableArgument`; the call is as it was before.
    @inline(__always)
    mutating func add(_ job: Job) throws(PoolError) {
        if flags.contains(.plain) {
            writer.plain(job)
        } else {
            do {
                try encoder.encode(job)
            } catch {
                throw .unencodableArgument(job: Job.jobName, reason: "\(error)")
            }
        }
        count += 1
    }

    /// The call with what was added. To be asked for once.
    func call(answer: @escaping (PoolCall.Outcome) -> Void) -> PoolCall {
        writer.replace(at: countAt, with: UInt32(count))
        return PoolCall(
            Job.self, Payload(writer), jobsStart: countAt, flags, count: count, deadline: deadline,
            answer: answer)
    }
}

/// Reads what came of a call's jobs.
enum OutcomeReader<Job: PoolJob> {
    /// Hands on each outcome, as many as there were jobs.
    static func read(
        _ outcome: PoolCall.Outcome, count: Int, _ take: (Result<Job.Output, any Error>) -> Void
    ) {
        switch outcome {
        case .failure(let error): for _ in 0..<count { take(.failure(error)) }
        case .output(let flags, let bytes, _) where flags.contains(.failed):
            let error = Result { try BinaryDecoder(bytes).decode(RemoteError.self) }
            let failure = Result<Job.Output, any Error> { throw try error.get().error(of: Job.jobName, decodable: []) }
            for _ in 0..<count { take(failure) }
        case .output(let flags, let bytes, let payload):
            withExtendedLifetime(payload) {
                let decoder = BinaryDecoder(bytes)
                for _ in 0..<count { take(Result { try value(decoder, flags) }) }
            }
        }
    }

    /// All values, if all jobs have succeeded and the values lie there as in an array. Good as long as the outcome.
    static func plainValues(_ outcome: PoolCall.Outcome, count: Int) -> UnsafeRawBufferPointer? {
        guard case .output(let flags, let bytes, _) = outcome, flags.contains(.plain),
            flags.isDisjoint(with: [.mixed, .failed]),
            bytes.count == count * plainStride(Job.Output.self), isPlain(Job.Output.self)
        else { return nil }
        return bytes
    }

    /// Appends values that lie there as in an array.
    static func append(_ count: Int, plain bytes: UnsafeRawBufferPointer, to values: inout [Job.Output]) {
        guard count > 0 else { return }
        values += [Job.Output](unsafeUninitializedCapacity: count) { target, initialized in
            UnsafeMutableRawBufferPointer(target).copyMemory(from: bytes)
            initialized = count
        }
    }

    private static func value(_ decoder: BinaryDecoder, _ flags: FrameFlags) throws -> Job.Output {
        if flags.contains(.mixed) {
            let succeeded = try decoder.byte() == 1
            guard succeeded else {
                throw try decoder.decode(RemoteError.self).error(of: Job.jobName, decodable: Job.errorTypes)
            }
        }
        do {
            if flags.contains(.plain), isPlain(Job.Output.self) { return try decoder.plain(Job.Output.self) }
            return try decoder.decode(Job.Output.self)
        } catch {
            throw PoolError.undecodableResult(job: Job.jobName, reason: "\(error)")
        }
    }
}
