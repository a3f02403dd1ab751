import CSwiftletPool
import SwiftletLoop

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
package struct CallEnvelope: Codable {
    /// Until the deadline: the clocks of two processes need not agree.
    package let remaining: Duration?
    package let values: [String: String]

    /// Reads what a call's payload begins with.
    ///
    /// - Returns: it, and where the jobs begin.
    package static func read(from payload: Payload) throws -> (CallEnvelope, jobsStart: Int) {
        let decoder = BinaryDecoder(payload.bytes)
        return (try decoder.decode(CallEnvelope.self), decoder.position)
    }

    /// Binds what travels with a call around its jobs.
    package func bind<Value>(_ body: () async -> Value) async -> Value {
        await CallContext.$values.withValue(values) {
            await CallContext.$deadline.withValue(remaining.map { .after($0) }, operation: body)
        }
    }
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
