public import Distributed
import Glibc
import SwiftletLoop
public import SwiftletPool

/// Counts, and knows where it is.
public distributed actor Tally: PoolActor {
    public typealias ActorSystem = PoolActorSystem

    private var count = 0
    private let name: String
    private let process = getpid()

    public init(name: String, actorSystem: PoolActorSystem) {
        self.actorSystem = actorSystem
        self.name = name
    }

    public distributed func add(_ number: Int) -> Int {
        count += number
        return count
    }

    public distributed func whoAmI() -> String { "\(name) in \(process)" }
    public distributed func whereAmI() -> Int32 { process }
    public distributed func describe(_ words: [String], _ factor: Double, _ last: String?) -> String {
        "\(words.joined(separator: "-")) \(factor) \(last ?? "none")"
    }
    public distributed func forget() { count = 0 }
    /// Stubs as arguments and results.
    public distributed func first(of others: [Tally]) -> Tally? { others.first }
    public distributed func call(_ other: Tally) async throws -> Int { try await other.add(1) }
    public distributed func refuse(_ number: Int) throws -> Int {
        if number < 0 { throw TallyError.negative(number) }
        throw Unknown()
    }
    public distributed func leave() { kill(getpid(), SIGKILL) }

    /// Waits as a coroutine: others have their turns meanwhile.
    public distributed func sleep(milliseconds: Int) async throws {
        try await Task.sleep(for: .milliseconds(milliseconds))
    }

    public distributed func show<Value: Codable & Sendable>(_ value: Value) -> String { "\(value)" }
    public distributed func context() -> [String: String] { CallContext.values }

    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [TallyError.self] }
}

public enum TallyError: Error, Codable, Equatable {
    case negative(Int)
}

extension Tally {
    public distributed func twice() -> Int { add(count) }

    /// Its methods' names begin with that of the outer type.
    public distributed actor Inner: PoolActor {
        public typealias ActorSystem = PoolActorSystem

        public init(name: String, actorSystem: PoolActorSystem) { self.actorSystem = actorSystem }
        public distributed func hello() -> String { "hello" }
    }
}

/// Can only be made at the second attempt.
public distributed actor Moody: PoolActor {
    public typealias ActorSystem = PoolActorSystem

    public init(name: String, actorSystem: PoolActorSystem) async throws {
        self.actorSystem = actorSystem
        try await Task.sleep(for: .milliseconds(1))
        if Attempt.next() == 1 { throw TallyError.negative(1) }
    }

    public distributed func hello() -> String { "hello" }

    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [TallyError.self] }
}

private enum Attempt {
    nonisolated(unsafe) static var count = 0

    /// All initializers run on the worker's one thread.
    static func next() -> Int {
        count += 1
        return count
    }
}

/// Never named to a worker.
public distributed actor StrangeActor: PoolActor {
    public typealias ActorSystem = PoolActorSystem

    public init(name: String, actorSystem: PoolActorSystem) { self.actorSystem = actorSystem }
    public distributed func hello() -> String { "hello" }
}
