extension HTTPParameters {
    /// Reads a query, or a form as HTML has it (application/x-www-form-urlencoded): `+` is a space and escapes are resolved.
    /// Nothing is refused: what has no `=` is a name without a value.
    public init(parsing text: String) {
        self.init()
        for item in text.split(separator: "&") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            append(Self.decode(parts[0]), parts.count > 1 ? Self.decode(parts[1]) : "")
        }
    }

    /// The first value of a name; `nil` if the name is not there.
    public subscript(name: String) -> String? { elements.first { $0.name == name }?.value }

    /// All values of a name, in their order.
    public subscript(values name: String) -> [String] { elements.filter { $0.name == name }.map(\.value) }

    private static func decode(_ text: Substring) -> String {
        let spaced = String(decoding: text.utf8.map { $0 == UInt8(ascii: "+") ? .space : $0 }, as: UTF8.self)
        return PercentEncoding.decode(spaced[...])
    }
}
