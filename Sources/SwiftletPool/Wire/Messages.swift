import CSwiftletPool

/// A worker's first word.
struct Hello: Codable {
    /// To be raised with each change of what goes over the socket.
    static let protocolVersion = 1

    struct Job: Codable, Equatable {
        let name: String
        let version: Int
    }

    var protocolVersion = Hello.protocolVersion
    let build: String
    let jobs: [Job]
}

/// What the pool answers.
struct Begin: Codable {
    let sharedMemoryThreshold: Int
    /// The initializer and the finalizer, encoded.
    let initializer: Setup?
    let finalizer: Setup?

    struct Setup: Codable {
        let type: Int
        let job: [UInt8]
    }
}

/// What comes before the jobs of a call that has more to say.
struct CallEnvelope: Codable {
    /// Until the deadline: the clocks of two processes need not agree.
    let remaining: Duration?
    let values: [String: String]
}

/// An error on its way back.
struct RemoteError: Codable {
    enum Kind: UInt8, Codable {
        /// Of the job's own.
        case thrown
        case cancelled
        case undecodableArgument
        case unencodableResult
    }

    var kind = Kind.thrown
    let type: String
    let text: String
    /// The error itself, encoded, if it is `Codable`.
    var encoded: [UInt8]?
    let process: Int32

    init(kind: Kind, _ error: any Error, process: Int32) {
        self.kind = kind
        type = String(reflecting: Swift.type(of: error))
        text = String(describing: error)
        self.process = process
    }

    /// - Parameter error: what a job threw.
    init(thrown error: any Error, process: Int32) {
        self.init(kind: error is CancellationError ? .cancelled : .thrown, error, process: process)
        guard kind == .thrown, let codable = error as? any Error & Encodable else { return }
        let encoder = BinaryEncoder()
        // One that cannot be encoded goes as text.
        guard (try? encoder.encode(codable)) != nil else { return }
        encoded = [UInt8](encoder.writer.bytes)
    }

    private func decoded<Known: Error & Decodable>(_ type: Known.Type) -> (any Error)? {
        // One that cannot be decoded comes as text.
        encoded.flatMap { bytes in try? bytes.withUnsafeBytes { try BinaryDecoder($0).decode(type) } }
    }

    /// The error as the caller gets it.
    func error(of job: String, decodable: [any (Error & Codable & Sendable).Type]) -> any Error {
        switch kind {
        case .cancelled: return CancellationError()
        case .undecodableArgument: return PoolError.undecodableArgument(job: job, reason: text)
        case .unencodableResult: return PoolError.unencodableResult(job: job, reason: text)
        case .thrown:
            if let known = decodable.first(where: { String(reflecting: $0) == type }), let error = decoded(known) {
                return error
            }
            return WorkerFailure(type: type, text: text, job: job, process: process)
        }
    }
}

/// What tells this build of the running program from others.
let buildIdentity: String = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
    swiftlet_pool_build_identity(text.baseAddress, text.count)
    return String(cString: text.baseAddress!)
}
