public import Distributed

/// Encodes the arguments of a call of a distributed actor. The compiler makes the calls.
public struct ActorInvocation: DistributedTargetInvocationEncoder {
    public typealias SerializationRequirement = any Codable

    private let encoder = BinaryEncoder()
    private var isGeneric = false

    init() {}

    public mutating func recordGenericSubstitution<Value>(_ type: Value.Type) throws { isGeneric = true }

    public mutating func recordArgument<Value: Codable>(_ argument: RemoteCallArgument<Value>) throws {
        do {
            try encoder.encode(argument.value)
        } catch {
            throw PoolError.unencodableArgument(job: "the parameter \(argument.name)", reason: "\(error)")
        }
    }

    public mutating func recordReturnType<Value: Codable>(_ type: Value.Type) throws {}
    public mutating func recordErrorType<Failure: Error>(_ type: Failure.Type) throws {}
    public mutating func doneRecording() throws {}

    /// - Throws: `PoolError.invalidOption` for a generic method: the worker would have to trust a type's name.
    func arguments(of target: RemoteCallTarget) throws -> [UInt8] {
        if isGeneric {
            throw PoolError.invalidOption(
                "\(target) is generic: workers decode only types that a method names; write one for each type")
        }
        return [UInt8](encoder.writer.bytes)
    }
}

/// Decodes the arguments of a call of a distributed actor, as the types that the method names.
public struct ActorArguments: DistributedTargetInvocationDecoder {
    public typealias SerializationRequirement = any Codable

    private let bytes: Payload
    private let decoder: BinaryDecoder

    /// - Parameter system: of stubs among the arguments.
    init(_ bytes: [UInt8], system: PoolActorSystem) {
        self.bytes = bytes.withUnsafeBytes { Payload(copying: $0) }
        decoder = BinaryDecoder(self.bytes.bytes, userInfo: [.actorSystemKey: system])
    }

    public mutating func decodeGenericSubstitutions() throws -> [any Any.Type] { [] }
    public mutating func decodeNextArgument<Argument: Codable>() throws -> Argument {
        try decoder.decode(Argument.self)
    }
    public mutating func decodeReturnType() throws -> (any Any.Type)? { nil }
    public mutating func decodeErrorType() throws -> (any Any.Type)? { nil }
}

/// Takes what a method of a distributed actor returns or throws.
public final class ActorResultHandler: DistributedTargetInvocationResultHandler, @unchecked Sendable {
    public typealias SerializationRequirement = any Codable

    /// Set by the call that it belongs to, before that returns.
    private(set) var result: Result<[UInt8], any Error> = .success([])

    public func onReturn<Success: Codable>(value: Success) async throws {
        let encoder = BinaryEncoder()
        try encoder.encode(value)
        result = .success([UInt8](encoder.writer.bytes))
    }

    public func onReturnVoid() async throws { result = .success([]) }
    public func onThrow<Failure: Error>(error: Failure) async throws { result = .failure(error) }
}
