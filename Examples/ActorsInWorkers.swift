import Distributed
import Swiftlet
import SwiftletPool

/// Counts words, and keeps the counts in the worker where it lives.
distributed actor WordCounter: PoolActor {
    typealias ActorSystem = PoolActorSystem

    private let name: String
    private var counts: [String: Int] = [:]

    init(name: String, actorSystem: PoolActorSystem) {
        self.actorSystem = actorSystem
        self.name = name
    }

    distributed func read(_ text: String) {
        for word in text.split(separator: " ") { counts[String(word), default: 0] += 1 }
    }

    distributed func most() -> String {
        let first = counts.max { ($0.value, $1.key) < ($1.value, $0.key) }
        return "\(name): \(first?.key ?? "nothing") \(first?.value ?? 0) times"
    }
}

/// Distributed actors that live in worker processes and keep what they have been told.
func actorsInWorkers() throws {
    try EventLoop.run {
        try await withProcessPool(processes: 2, queueCount: 2) { pool in
            let system = try PoolActorSystem(pool)
            let hamlet = try WordCounter.resolve(id: "Hamlet", using: system)
            let macbeth = try WordCounter.resolve(id: "Macbeth", using: system)
            try await hamlet.read("to be or not to be that is the question whether to suffer")
            try await macbeth.read("tomorrow and tomorrow and tomorrow")
            print(try await hamlet.most())
            print(try await macbeth.most())
        }
    }
}
