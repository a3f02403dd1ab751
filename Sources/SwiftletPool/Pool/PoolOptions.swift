/// How a pool works. The initializers of `ProcessPool` name each of them.
struct PoolOptions: Sendable {
    var processes: Int
    var childConcurrency: Int
    var queueCount: Int
    var scheduler: any PoolScheduler
    var initializer: (any PoolJob)?
    var finalizer: (any PoolJob)?
    var maxTasksPerChild: Int?
    var retryLimit: Int
    var responseLimit: Duration
    var startLimit: Duration
    var sharedMemoryThreshold: Int
    var program: WorkerProgram

    func check() throws(PoolError) {
        if processes < 1 { throw .invalidOption("a pool needs at least one process, not \(processes)") }
        if childConcurrency < 1 { throw .invalidOption("childConcurrency must be at least 1, not \(childConcurrency)") }
        if queueCount < 1 || queueCount > processes {
            throw .invalidOption(
                "queueCount must be from 1 to the number of processes, \(processes), not \(queueCount)")
        }
        if let most = maxTasksPerChild, most < 1 {
            throw .invalidOption("maxTasksPerChild must be at least 1, not \(most); nil sets no limit")
        }
    }
}

/// What a pool starts as its workers.
public enum WorkerProgram: Sendable, Hashable {
    /// This very program, which must call `WorkerProcess.runIfWorker` first.
    case same
    /// Another one that does.
    case at(path: String, arguments: [String] = [])
}
