// What the tests of pools over NATS start as workers, and as callers that are killed.
import Glibc
import PoolTestJobs
import SwiftletLoop
import SwiftletNATS
import SwiftletPool

@Sendable func say(_ line: String) {
    print(line)
    fflush(nil)
}

let words = Array(CommandLine.arguments.dropFirst())
guard words.count >= 2 else {
    print(
        "usage: NATSTestProgram worker SERVERS [QUEUE [CONCURRENCY [WAIT_MS [LIMIT [REPLICAS]]]]] | measure SERVERS COUNT | soak SERVERS COUNT"
    )
    exit(64)
}

func configuration(_ words: [String]) -> NATSConfiguration {
    var configuration = NATSConfiguration(words[0])
    if words.count > 1 { configuration.queue = words[1] }
    if words.count > 3, let wait = Int(words[3]) { configuration.acknowledgementWait = .milliseconds(wait) }
    if words.count > 4, let limit = Int(words[4]) { configuration.deliveryLimit = limit }
    if words.count > 5, let replicas = Int(words[5]) { configuration.replicas = replicas }
    return configuration
}

switch words[0] {
case "worker":
    let rest = Array(words.dropFirst())
    try NATSWorker.run(
        testJobs, from: configuration(rest), concurrency: rest.count > 2 ? Int(rest[2])! : 16,
        onReady: { say("ready \(getpid())") })
    say("drained")
case "measure": try measure(words[1], count: words.count > 2 ? Int(words[2])! : 50_000)
case "soak": try soak(words[1], count: words.count > 2 ? Int(words[2])! : 100_000)
default: exit(64)
}
