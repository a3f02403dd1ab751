public import Distributed

/// A distributed actor that lives in a worker of a process pool. Others call it through stubs.
///
/// ```swift
/// distributed actor Counter: PoolActor {
///     private var count = 0
///     init(name: String, actorSystem: PoolActorSystem) { self.actorSystem = actorSystem }
///     distributed func add(_ number: Int) -> Int {
///         count += number
///         return count
///     }
/// }
///
/// WorkerProcess.runIfWorker(ActorCall<Counter>.self)  // first of all in main
///
/// try await withProcessPool(processes: 2, queueCount: 2) { pool in
///     let system = try PoolActorSystem(pool)
///     let visits = try Counter.resolve(id: "visits", using: system)
///     print(try await visits.add(1))
/// }
/// ```
///
/// A name stands for one actor of the type, in one of the workers; it is made there at the first call. If the worker dies, calls
/// under way fail with `PoolError.workerDied`, and the next call makes the actor anew, in the worker's successor: what it knew is
/// lost. Python's counterpart is a proxy of `multiprocessing.Manager`.
///
/// Arguments and results go as those of jobs do. No other types are ever decoded than those that the methods name, of actors
/// that the worker was told of; so generic methods cannot be called. A stub may be an argument or a result: it stands for the
/// same actor there. In a worker it can be kept and handed on, and not be called.
public protocol PoolActor: DistributedActor where ActorSystem == PoolActorSystem {
    /// Makes the actor, in its worker.
    ///
    /// - Throws: what the call that needed the actor throws then; the next call tries again.
    init(name: String, actorSystem: PoolActorSystem) async throws

    /// Errors that come back as themselves. Others come as `WorkerFailure`, with type and text.
    static var errorTypes: [any (Error & Codable & Sendable).Type] { get }
}

extension PoolActor {
    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [] }
}

/// A name of an actor in a pool's workers.
public struct PoolActorID: Hashable, Codable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// Which actor of its type.
    public let name: String

    /// Names an actor. A text in quotes does as well.
    public init(_ name: String) { self.name = name }

    /// Names an actor by a text in quotes.
    public init(stringLiteral name: String) { self.name = name }

    public var description: String { name }
}

/// Calls of a distributed actor, as jobs: to be named where a program names its jobs.
///
/// ```swift
/// WorkerProcess.runIfWorker(Fetch.self, ActorCall<Counter>.self)
/// ```
public struct ActorCall<Hosted: PoolActor>: PoolJob {
    let name: String
    let method: String
    let arguments: [UInt8]

    public static var jobName: String { "actor \(String(reflecting: Hosted.self))" }
    public static var errorTypes: [any (Error & Codable & Sendable).Type] {
        Hosted.errorTypes + [UnknownActorMethod.self]
    }

    /// Calls the actor, in its worker; makes it if it is not there.
    ///
    /// Cancellation: of the method's task.
    /// - Throws: what the method, or the actor's initializer, throws; `UnknownActorMethod`.
    public func run() async throws -> ActorResult {
        // A method of another type would take the actor's memory for that type's.
        guard ActorMethods.belong(method, to: Hosted.self) else { throw unknownMethod }
        let system = PoolActorSystem.ofWorker
        let actor = try await system.hosted(Hosted.self, named: name)
        let handler = ActorResultHandler()
        var arguments = ActorArguments(arguments, system: system)
        do {
            try await system.executeDistributedTarget(
                on: actor, target: RemoteCallTarget(method), invocationDecoder: &arguments, handler: handler)
            return ActorResult(bytes: try handler.result.get())
        } catch let error as ExecuteDistributedTargetError where error.errorCode == .targetAccessorNotFound {
            throw unknownMethod
        }
    }

    private var unknownMethod: UnknownActorMethod {
        UnknownActorMethod(actor: String(reflecting: Hosted.self), method: "\(RemoteCallTarget(method))")
    }
}

/// The actor has no such method in the worker.
public struct UnknownActorMethod: Error, Codable, Hashable, Sendable, CustomStringConvertible {
    /// The actor's type.
    public let actor: String
    public let method: String

    public var description: String {
        "\(actor) has no distributed method \(method) in the worker: build both programs from one source"
    }
}

/// What a method of a distributed actor has returned, encoded.
public struct ActorResult: Codable, Sendable {
    let bytes: [UInt8]
}
