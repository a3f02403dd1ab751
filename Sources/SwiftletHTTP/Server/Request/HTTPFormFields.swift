/// Names and values as HTML forms send them, in a query or as a body (application/x-www-form-urlencoded): `+` is a space,
/// escapes are resolved, and a name may come several times.
public struct HTTPFormFields: Sendable, Hashable, Sequence {
    /// A name and a value.
    public struct Field: Sendable, Hashable {
        public let name: String
        public let value: String
    }

    private var fields: [Field] = []

    /// Reads the text of a form. Nothing is refused: what has no `=` is a name without a value.
    public init(_ text: String) {
        for item in text.split(separator: "&") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            fields.append(Field(name: Self.decode(parts[0]), value: parts.count > 1 ? Self.decode(parts[1]) : ""))
        }
    }

    /// The first value of a name; `nil` if the name is not there.
    public subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    /// All values of a name, in their order.
    public subscript(values name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    public var count: Int { fields.count }

    public func makeIterator() -> some IteratorProtocol<Field> { fields.makeIterator() }

    private static func decode(_ text: Substring) -> String {
        let spaced = String(decoding: text.utf8.map { $0 == UInt8(ascii: "+") ? .space : $0 }, as: UTF8.self)
        return PercentEncoding.decode(spaced[...])
    }
}
