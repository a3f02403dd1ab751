public import SwiftletLoop

/// What travels with a call from the caller to the job, without being one of its arguments.
public enum CallContext {
    /// Words such as a trace's number. What is bound where a call is made is bound where its job runs.
    ///
    /// ```swift
    /// try await CallContext.$values.withValue(["traceparent": trace]) { try await pool.apply(job) }
    /// ```
    @TaskLocal public static var values: [String: String] = [:]

    /// In a job: when its caller gives up, if ever. The job is cancelled then.
    @TaskLocal public static var deadline: Deadline?
}
