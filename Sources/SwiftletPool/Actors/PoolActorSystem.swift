public import Distributed
import SwiftletCoroutines
import SwiftletLoop

/// Distributed actors in the workers of a process pool: see `PoolActor`.
///
/// Each call is a call of the pool: it waits for its turn, carries deadline and context, is cancelled with its caller, and is
/// answered once. A worker runs as many calls at a time as `childConcurrency` says, whichever actors they belong to.
public final class PoolActorSystem: DistributedActorSystem, @unchecked Sendable {
    public typealias ActorID = PoolActorID
    public typealias InvocationEncoder = ActorInvocation
    public typealias InvocationDecoder = ActorArguments
    public typealias ResultHandler = ActorResultHandler
    public typealias SerializationRequirement = any Codable

    /// Of a worker, where the actors live.
    static let ofWorker = PoolActorSystem()
    /// In a worker: the name that the actor gets that is being made.
    @TaskLocal private static var nameToBe: String?

    /// None in a worker.
    private let pool: ProcessPool?
    private let actors = Locked<[Key: Task<any Sendable, any Error>]>([:])
    private let unnamed = Locked(0)

    private struct Key: Hashable {
        let type: ObjectIdentifier
        let name: String
    }

    private init() { pool = nil }

    /// - Parameter pool: each of its processes has a queue of its own, since an actor stays in its worker.
    /// - Throws: `PoolError.invalidOption`.
    public init(_ pool: ProcessPool) throws(PoolError) {
        let options = pool.engine.options
        guard options.queueCount == options.processes, options.maxTasksPerChild == nil else {
            throw .invalidOption(
                "actors stay in their workers: make the pool with as many queues as processes, queueCount: "
                    + "\(options.processes), and without maxTasksPerChild")
        }
        self.pool = pool
    }

    // MARK: In the worker

    /// The actor of a name; made if there is none.
    func hosted<Hosted: PoolActor>(_ type: Hosted.Type, named name: String) async throws -> Hosted {
        let key = Key(type: ObjectIdentifier(type), name: name)
        let task = actors.withLock { actors in
            if let task = actors[key] { return task }
            let task = Task<any Sendable, any Error> {
                try await Self.$nameToBe.withValue(name) { try await Hosted(name: name, actorSystem: self) }
            }
            actors[key] = task
            return task
        }
        do {
            return try await task.value as! Hosted
        } catch {
            // The next call tries again.
            actors.withLock { if $0[key] == task { $0[key] = nil } }
            throw error
        }
    }

    // MARK: What the compiler calls

    /// An actor that a program makes itself lives where it was made, and only who holds it can call it.
    public func assignID<Hosted: DistributedActor>(_ type: Hosted.Type) -> PoolActorID
    where Hosted.ID == PoolActorID {
        if let name = Self.nameToBe { return PoolActorID(name) }
        let number = unnamed.withLock { count in
            count += 1
            return count
        }
        return PoolActorID("unnamed \(number)")
    }

    public func actorReady<Hosted: DistributedActor>(_ actor: Hosted) where Hosted.ID == PoolActorID {}
    public func resignID(_ id: PoolActorID) {}

    /// Always a stub: the actors are in the workers.
    public func resolve<Hosted: DistributedActor>(id: PoolActorID, as type: Hosted.Type) throws -> Hosted?
    where Hosted.ID == PoolActorID { nil }

    public func makeInvocationEncoder() -> ActorInvocation { ActorInvocation() }

    public func remoteCall<Hosted: DistributedActor, Failure: Error, Value: Codable>(
        on actor: Hosted, target: RemoteCallTarget, invocation: inout ActorInvocation, throwing: Failure.Type,
        returning: Value.Type
    ) async throws -> Value where Hosted.ID == PoolActorID {
        let bytes = try await call(actor, target, invocation)
        return try bytes.withUnsafeBytes {
            try BinaryDecoder($0, userInfo: [.actorSystemKey: self]).decode(Value.self)
        }
    }

    public func remoteCallVoid<Hosted: DistributedActor, Failure: Error>(
        on actor: Hosted, target: RemoteCallTarget, invocation: inout ActorInvocation, throwing: Failure.Type
    ) async throws where Hosted.ID == PoolActorID {
        _ = try await call(actor, target, invocation)
    }

    private func call<Hosted: DistributedActor>(
        _ actor: Hosted, _ target: RemoteCallTarget, _ invocation: ActorInvocation
    ) async throws -> [UInt8] where Hosted.ID == PoolActorID {
        guard let pool else {
            throw PoolError.invalidOption(
                "\(target) was called in a worker: actors are called where their pool is; a worker may hand stubs on")
        }
        guard let type = Hosted.self as? any PoolActor.Type else {
            throw PoolError.invalidOption("\(Hosted.self) cannot live in a worker: let it conform to PoolActor")
        }
        return try await Self.call(type, actor.id.name, target, try invocation.arguments(of: target), pool)
    }

    private static func call<Hosted: PoolActor>(
        _ type: Hosted.Type, _ name: String, _ target: RemoteCallTarget, _ arguments: [UInt8], _ pool: ProcessPool
    ) async throws -> [UInt8] {
        let job = ActorCall<Hosted>(name: name, method: target.identifier, arguments: arguments)
        // The same name is in the same worker's queue each time.
        let queue = name.utf8.reduce(5381) { ($0 &* 33 ^ UInt32($1)) } % UInt32(pool.engine.options.queueCount)
        return try await pool.apply(job, queue: Int(queue)).bytes
    }
}
