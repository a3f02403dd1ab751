/// None of a host's addresses could be connected to: why not, for each.
public struct ConnectFailures: Error, CustomStringConvertible {
    /// The error of each attempt, in the order in which they began.
    public let errors: [any Error]

    public var description: String {
        "none of \(errors.count) addresses can be connected to:" + errors.map { "\n- \($0)" }.joined()
    }
}
