/// A route's path, taken apart: what stands in it literally, and its parameters.
///
/// `/users/{id:int}/files/{rest:path}`: a parameter takes a whole segment. Its kind is `text` (any segment that is not
/// empty) if none is written, `int` (digits, perhaps with a minus), `uuid`, or `path` (the rest, with its slashes; last
/// only). What is no word is a regular expression, such as `{year:[0-9]{4}}`.
struct RoutePattern: Sendable {
    enum Kind: Sendable, Equatable, CustomStringConvertible {
        case int
        case uuid
        case expression(RouteExpression)
        case text
        case path

        static let words: [(word: String, kind: Kind)] = [
            ("int", .int), ("uuid", .uuid), ("text", .text), ("path", .path),
        ]

        /// In which order kinds are tried.
        var rank: Int {
            switch self {
            case .int: 0
            case .uuid: 1
            case .expression: 2
            case .text: 3
            case .path: 4
            }
        }

        var description: String {
            if case .expression(let expression) = self { return expression.source }
            return Self.words.first { $0.kind == self }?.word ?? "text"
        }

        func accepts(_ segment: String) -> Bool {
            switch self {
            case .int: Int(segment) != nil && segment.utf8.first != UInt8(ascii: "+")
            case .uuid: Self.isUUID(segment)
            case .expression(let expression): expression.accepts(segment)
            case .text: !segment.isEmpty
            case .path: true
            }
        }

        private static func isUUID(_ segment: String) -> Bool {
            guard segment.utf8.count == 36 else { return false }
            for (index, byte) in segment.utf8.enumerated() {
                if [8, 13, 18, 23].contains(index) {
                    guard byte == UInt8(ascii: "-") else { return false }
                } else {
                    guard byte.hexadecimalValue != nil else { return false }
                }
            }
            return true
        }
    }

    enum Segment: Sendable, Equatable {
        case literal(String)
        case parameter(Kind)
    }

    let text: String
    private(set) var segments: [Segment] = []
    private(set) var names: [String] = []

    /// Takes a pattern apart.
    ///
    /// - Throws: `HTTPRouteError`.
    init(_ text: String) throws(HTTPRouteError) {
        self.text = text
        guard text.utf8.first == UInt8(ascii: "/") else { throw HTTPRouteError(text, "it does not begin with a slash") }
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            if segments.last == .parameter(.path) {
                throw HTTPRouteError(text, "something follows its parameter of kind path, which takes all the rest")
            }
            guard part.first == "{", part.last == "}" else {
                guard !part.contains("{"), !part.contains("}") else {
                    throw HTTPRouteError(text, "a parameter takes a whole segment, such as /{name}/")
                }
                segments.append(.literal(String(part)))
                continue
            }
            let words = part.dropFirst().dropLast().split(separator: ":", maxSplits: 1)
            guard let name = words.first.map(String.init), !name.isEmpty, !names.contains(name) else {
                throw HTTPRouteError(text, "a parameter has no name, or two have the same")
            }
            names.append(name)
            segments.append(.parameter(words.count > 1 ? try kind(String(words[1])) : .text))
        }
    }

    private func kind(_ word: String) throws(HTTPRouteError) -> Kind {
        if let known = Kind.words.first(where: { $0.word == word }) { return known.kind }
        // A word that is none of these is a mistake rather than an expression that only it itself matches.
        guard word.utf8.contains(where: { !$0.isLetter }) else {
            throw HTTPRouteError(
                text, "there is no kind \"\(word)\"; there are \(Kind.words.map(\.word).joined(separator: ", "))")
        }
        guard let expression = RouteExpression(word) else {
            throw HTTPRouteError(text, "\"\(word)\" is neither a kind nor a regular expression")
        }
        return .expression(expression)
    }

    /// The whole of it, when it has no parameters.
    var literalPath: String? { names.isEmpty ? text : nil }

    /// The path that has these parameters.
    func path(_ parameters: [String: String]) throws(HTTPRouteError) -> String {
        var path = ""
        var index = 0
        for segment in segments {
            path += "/"
            switch segment {
            case .literal(let literal):
                path += PercentEncoding.encode(literal[...]) { $0.isPathCharacter }
            case .parameter(let kind):
                let name = names[index]
                index += 1
                guard let value = parameters[name] else {
                    throw HTTPRouteError(text, "its parameter \(name) is missing")
                }
                guard kind.accepts(value) else {
                    throw HTTPRouteError(text, "its parameter \(name) is of kind \(kind), which \"\(value)\" is not")
                }
                // A percent sign in a value is one, and no escape.
                path += PercentEncoding.encodeAll(value) {
                    $0.isPathCharacter && (kind == .path || $0 != UInt8(ascii: "/"))
                }
            }
        }
        return path
    }
}

/// A route's path is not of the form that routes have, or cannot be built.
public struct HTTPRouteError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The route as it was given, or the name that was asked for.
    public let route: String
    /// What is wrong with it.
    public let problem: String

    init(_ route: String, _ problem: String) {
        self.route = route
        self.problem = problem
    }

    public var description: String { "the route \"\(route)\" cannot be used: \(problem)" }
}
