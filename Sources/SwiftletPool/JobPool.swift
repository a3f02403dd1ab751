/// What runs jobs elsewhere: worker processes (`ProcessPool`), or workers on any number of machines. The calls are the same.
///
/// ```swift
/// func crawl(_ urls: [String], on pool: some JobPool) async throws -> [Page] {
///     try await pool.map(urls.map(Fetch.init))
/// }
/// ```
public protocol JobPool: Sendable {
    /// Through what its calls go. For the pools of this package.
    var calls: PoolCalls { get }
}

/// Through what the calls of a pool go. Only the pools of this package make them.
public struct PoolCalls: Sendable {
    package let engine: any CallEngine

    package init(_ engine: any CallEngine) { self.engine = engine }

    @usableFromInline
    func chunkSize(_ rule: ChunkRule, jobs: Int) -> Int { engine.chunkSize(rule, jobs: jobs) }
}
