/// What a request has in the places of its route's parameters. Text without escapes.
public struct HTTPPathParameters: Sendable, Sequence, CustomStringConvertible {
    let names: [String]
    let values: [String]

    static var none: HTTPPathParameters { HTTPPathParameters(names: [], values: []) }

    /// The value of a parameter; `nil` if the route has none of that name.
    public subscript(name: String) -> String? {
        names.firstIndex(of: name).map { values[$0] }
    }

    public func makeIterator() -> some IteratorProtocol<(name: String, value: String)> {
        zip(names, values).lazy.map { (name: $0, value: $1) }.makeIterator()
    }

    public var description: String { map { "\($0)=\($1)" }.joined(separator: " ") }
}
