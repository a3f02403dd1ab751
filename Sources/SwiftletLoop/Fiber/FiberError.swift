/// A fiber was used in a way that can only be a mistake.
public enum FiberError: Error, Hashable, CustomStringConvertible {
    /// A fiber waits for its own end.
    case joinsItself(fiber: String)

    public var description: String {
        switch self {
        case .joinsItself(let fiber):
            "\(fiber) waits for its own end, which would never come: return the value, or let another fiber join it"
        }
    }
}
