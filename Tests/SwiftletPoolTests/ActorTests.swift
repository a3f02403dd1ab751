import Distributed
import Glibc
import PoolTestJobs
import Swiftlet
import SwiftletPool
import TestSupport
import Testing

@Suite("Distributed actors in a pool's workers")
struct ActorTests {
    private func withActors(
        processes: Int = 2, _ body: @escaping @Sendable (PoolActorSystem, ProcessPool) async throws -> Void
    ) async throws {
        try await onTaskLoop { _ in
            try await withProcessPool(processes: processes, queueCount: processes, program: worker) { pool in
                try await body(PoolActorSystem(pool), pool)
            }
        }
    }

    @Test func keepTheirState() async throws {
        try await withActors { system, _ in
            let visits = try Tally.resolve(id: "visits", using: system)
            #expect(try await visits.add(2) == 2)
            #expect(try await visits.add(3) == 5)
            // Another stub of the same name is the same actor; another name is another one.
            #expect(try await Tally.resolve(id: "visits", using: system).add(1) == 6)
            #expect(try await Tally.resolve(id: "others", using: system).add(1) == 1)
            try await visits.forget()
            #expect(try await visits.add(1) == 1)
            #expect(try await visits.describe(["a", "b"], 1.5, nil) == "a-b 1.5 none")
        }
    }

    @Test func liveInOneWorkerEach() async throws {
        try await withActors { system, pool in
            var processes: Set<Int32> = []
            for number in 0..<16 {
                let actor = try Tally.resolve(id: PoolActorID("actor \(number)"), using: system)
                let process = try await actor.whereAmI()
                for _ in 0..<3 { #expect(try await actor.whoAmI() == "actor \(number) in \(process)") }
                processes.insert(process)
            }
            #expect(processes.count == 2)
            #expect(!processes.contains(getpid()))
        }
    }

    @Test func callsAtATime() async throws {
        try await withActors(processes: 1) { system, _ in
            let tally = try Tally.resolve(id: "t", using: system)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<100 { group.addTask { _ = try await tally.add(1) } }
                try await group.waitForAll()
            }
            #expect(try await tally.add(0) == 100)
        }
    }

    @Test func errors() async throws {
        try await withActors { system, _ in
            let tally = try Tally.resolve(id: "t", using: system)
            await #expect(throws: TallyError.negative(-3)) { try await tally.refuse(-3) }
            let failure = await #expect(throws: WorkerFailure.self) { try await tally.refuse(3) }
            #expect(failure?.type.hasSuffix("Unknown") == true)
            // The worker cannot know which type a caller means.
            let generic = await #expect(throws: PoolError.self) { try await tally.show(5) }
            guard case .invalidOption = generic else { throw TestFailure("\(String(describing: generic))") }
            let unknown = try StrangeActor.resolve(id: "u", using: system)
            let error = await #expect(throws: PoolError.self) { try await unknown.hello() }
            guard case .notRegistered(let name, _) = error else { throw TestFailure("\(String(describing: error))") }
            #expect(name == "actor PoolTestJobs.StrangeActor")
        }
    }

    @Test func stubsTravel() async throws {
        try await withActors { system, _ in
            let tally = try Tally.resolve(id: "t", using: system)
            let others = try ["a", "b"].map { try Tally.resolve(id: PoolActorID($0), using: system) }
            let first = try await tally.first(of: others)
            #expect(try await first?.add(3) == 3)
            #expect(try await others[0].add(1) == 4)
            #expect(try await tally.first(of: []) == nil)
            let failure = await #expect(throws: WorkerFailure.self) { try await tally.call(others[0]) }
            #expect(failure?.text.contains("actors are called where their pool is") == true)
        }
    }

    /// What is asked for by name must be a method of the actor's type.
    @Test func methodsOfOtherTypesAreRefused() async throws {
        try await withActors { system, _ in
            let tally = try Tally.resolve(id: "t", using: system)
            func call(_ method: String) async throws -> String {
                var invocation = system.makeInvocationEncoder()
                try invocation.doneRecording()
                return try await system.remoteCall(
                    on: tally, target: RemoteCallTarget(method), invocation: &invocation, throwing: (any Error).self,
                    returning: String.self)
            }
            #expect(try await call("$s12PoolTestJobs5TallyC6whoAmISSyYaKFTE").hasPrefix("t in "))
            for method in [
                "$s12PoolTestJobs5MoodyC5helloSSyYaKFTE", "$s12PoolTestJobs5TallyC5InnerC5helloSSyYaKFTE",
                "$s12PoolTestJobs5TallyC7missingSSyYaKFTE", "$sSS", "whoAmI", "",
            ] {
                let error = await #expect(throws: UnknownActorMethod.self) { try await call(method) }
                #expect(error?.actor == "PoolTestJobs.Tally", "\(method)")
            }
            #expect(try await tally.add(2) == 2)
            #expect(try await tally.twice() == 4)
            #expect(try await Tally.Inner.resolve(id: "i", using: system).hello() == "hello")
        }
    }

    @Test func anInitializerThatThrowsIsTriedAgain() async throws {
        try await withActors(processes: 1) { system, _ in
            let moody = try Moody.resolve(id: "m", using: system)
            await #expect(throws: TallyError.negative(1)) { try await moody.hello() }
            #expect(try await moody.hello() == "hello")
        }
    }

    @Test func aWorkerThatDies() async throws {
        try await withActors { system, _ in
            let tally = try Tally.resolve(id: "t", using: system)
            let before = try await tally.whereAmI()
            #expect(try await tally.add(7) == 7)
            let error = await #expect(throws: PoolError.self) { try await tally.leave() }
            guard case .workerDied(_, .killed(signal: 9), 1) = error else {
                throw TestFailure("\(String(describing: error))")
            }
            // It is made anew, in another process.
            #expect(try await tally.add(1) == 1)
            #expect(try await tally.whereAmI() != before)
        }
    }

    @Test func cancellationAndContext() async throws {
        try await withActors { system, _ in
            let tally = try Tally.resolve(id: "t", using: system)
            let call = Task { try await tally.sleep(milliseconds: 60_000) }
            #expect(try await tally.add(1) == 1)
            call.cancel()
            await #expect(throws: CancellationError.self) { try await call.value }
            let values = try await CallContext.$values.withValue(["trace": "7"]) { try await tally.context() }
            #expect(values == ["trace": "7"])
        }
    }

    @Test func actorsNeedTheirWorkers() async throws {
        try await onLoop {
            try withProcessPool(processes: 2, program: worker) { pool in
                let error = #expect(throws: PoolError.self) { try PoolActorSystem(pool) }
                #expect("\(error!)".contains("queueCount: 2"))
            }
        }
    }
}

private struct TestFailure: Error {
    let text: String
    init(_ text: String) { self.text = text }
}
