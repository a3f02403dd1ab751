/// How many jobs of a `map` go to a worker in one piece. They run there one after the other.
public enum ChunkRule: Sendable, Hashable {
    /// As `multiprocessing.Pool.map` does: the jobs divided by four times the processes, rounded up.
    case pythonDefault
    /// So many.
    case fixed(Int)
    /// Each job by itself: no worker waits while another has jobs left.
    case one

    /// The size of a chunk.
    ///
    /// - Parameters:
    ///   - jobs: how many jobs there are.
    ///   - processes: how many workers.
    public func size(jobs: Int, processes: Int) -> Int {
        switch self {
        case .pythonDefault: max(1, (jobs + 4 * processes - 1) / (4 * processes))
        case .fixed(let size): max(1, size)
        case .one: 1
        }
    }
}
