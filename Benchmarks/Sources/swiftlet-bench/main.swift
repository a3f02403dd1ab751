import CSwiftlet
import Glibc
import SwiftletPool

/// What a workload may be asked to run in.
enum Kind: String {
    case fiber, task

    var peer: String { "swiftlet-\(rawValue)" }
}

let usage = """
    swiftlet-bench WORKLOAD [n] [options], one JSON line each:
      switch [n]                           generator [n]
      fiber_yield [n]                      park [n]
      spawn_join [n] [live] [fiber|task]   memory [n] [fiber|task]
      sleepers [n] [fiber|task]            gather [n] [live]
      timers [n]                           channel [n] [fiber|task]
      lock [n] [lock|semaphore]            limit WORKLOAD [n]
      tcp_echo PORT [fiber|task]           http_server PORT [fiber|task]
      http_tls PORT CERTIFICATE [fiber|task]
      pool_call [n]                        pool_map [n] [chunked|single]
      pool_compute [n]                     pool_bytes [size]
      pool_start [n]                       nats_jobs SERVER [n] (built with SWIFTLET_NATS=1)
      slow_fetch PORT [n] [fiber|task]     http_client PORT [n] [concurrency] [fiber|task]
    """

WorkerProcess.runIfWorker(poolJobs)

// A connection each: the usual soft limit of 1024 is too low for what the driver asks.
swiftlet_raise_descriptor_limit()
let arguments = Arguments(CommandLine.arguments.dropFirst())

do {
    switch try arguments.word() {
    case "switch": try measureSwitch(count: arguments.number(or: 100_000_000))
    case "generator": try measureGenerator(count: arguments.number(or: 50_000_000))
    case "fiber_yield": try measureFiberYield(count: arguments.number(or: 20_000_000))
    case "park": try measurePark(count: arguments.number(or: 10_000_000))
    case "spawn_join":
        try measureSpawnJoin(
            count: arguments.number(or: 1_000_000), live: arguments.number(or: 1000), arguments.kind())
    case "memory": try measureMemory(count: arguments.number(or: 100_000), arguments.kind())
    case "sleepers": try measureSleepers(count: arguments.number(or: 100_000), arguments.kind())
    case "gather": try measureGather(count: arguments.number(or: 1_000_000), live: arguments.number(or: 1000))
    case "timers": try measureTimers(count: arguments.number(or: 1_000_000))
    case "channel": try measureChannel(count: arguments.number(or: 10_000_000), arguments.kind())
    case "lock": try measureLock(count: arguments.number(or: 50_000_000), arguments.lockKind())
    case "limit": try measureLimit(arguments.limit(), count: arguments.number(or: 1_000_000))
    case "tcp_echo": try serveEcho(port: arguments.number(), arguments.kind())
    case "http_server": try serveHTTP(port: arguments.number(), arguments.kind())
    case "http_tls":
        try serveHTTPS(port: arguments.number(), certificate: arguments.word(), arguments.kind())
    case "http_client":
        try measureHTTPClient(
            port: arguments.number(), count: arguments.number(or: 20_000), concurrency: arguments.number(or: 100),
            arguments.kind())
    case "nats_jobs": try measureNATSJobs(arguments.word(), count: arguments.number(or: 100_000))
    case "nats_worker": try runNATSWorker(arguments.word())
    case "slow_fetch":
        try measureSlowFetch(port: arguments.number(), count: arguments.number(or: 100), arguments.kind())
    case "pool_call": try measurePoolCall(count: arguments.number(or: 10_000))
    case "pool_map":
        try measurePoolMap(
            count: arguments.number(or: 100_000), chunks: arguments.isSingle() ? [1] : [1000, 3000, 6000, 12_500])
    case "pool_compute": try measurePoolCompute(count: arguments.number(or: 40))
    case "pool_start": try measurePoolStart(count: arguments.number(or: 100))
    case "pool_bytes": try measurePoolBytes(size: arguments.number(or: 16 << 20))
    case let other: throw UsageError(reason: "no such workload: \(other)")
    }
} catch let error as UsageError {
    complain("\(error.reason)\n\(usage)")
    exit(EX_USAGE)
} catch {
    complain("\(error)")
    exit(EX_SOFTWARE)
}
