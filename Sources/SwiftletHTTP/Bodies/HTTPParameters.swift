/// Names and values in order, for a query or a form. A name may come more than once.
///
/// ```swift
/// try client.get("https://example.com/search", parameters: ["q": "fibers", "page": "2"])
/// ```
///
/// The Python counterpart is the mapping, or list of pairs, that `params=` and `data=` take.
public struct HTTPParameters: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    /// One name and its value.
    public struct Element: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// The pairs in the order in which they are sent.
    public var elements: [Element]

    public init(_ elements: [Element] = []) { self.elements = elements }

    /// Makes parameters of a literal, in its order. Names may be repeated.
    public init(dictionaryLiteral elements: (String, String)...) {
        self.elements = elements.map { Element(name: $0.0, value: $0.1) }
    }

    /// Makes parameters of a dictionary, ordered by name, so that equal ones give the same URL.
    public init(_ dictionary: [String: String]) {
        elements = dictionary.sorted { $0.key < $1.key }.map { Element(name: $0.key, value: $0.value) }
    }

    /// Adds a pair behind the others.
    public mutating func append(_ name: String, _ value: String) {
        elements.append(Element(name: name, value: value))
    }

    public var isEmpty: Bool { elements.isEmpty }

    /// As a query: everything but unreserved characters is escaped, a space as `%20`.
    var query: String { encoded(space: "%20") }

    /// As `application/x-www-form-urlencoded` has it: a space is a plus sign.
    var form: String { encoded(space: "+") }

    private func encoded(space: String) -> String {
        func encode(_ text: String) -> String {
            // An escape within a value is text of the value: unlike in a URL, its percent sign is escaped as well.
            text.utf8.split(separator: .space, omittingEmptySubsequences: false).map { piece in
                String(decoding: piece, as: UTF8.self).utf8.split(
                    separator: UInt8(ascii: "%"), omittingEmptySubsequences: false
                ).map { PercentEncoding.encode(Substring($0)) { $0.isUnreserved } }.joined(separator: "%25")
            }.joined(separator: space)
        }
        return elements.map { "\(encode($0.name))=\(encode($0.value))" }.joined(separator: "&")
    }
}

extension HTTPURL {
    /// This URL with parameters behind those that its query has.
    ///
    /// - Throws: `HTTPURLError`.
    public func appending(_ parameters: HTTPParameters) throws(HTTPURLError) -> HTTPURL {
        guard !parameters.isEmpty else { return self }
        let before = query.map { $0.isEmpty ? "" : $0 + "&" } ?? ""
        return try resolving("?" + before + parameters.query)
    }
}
