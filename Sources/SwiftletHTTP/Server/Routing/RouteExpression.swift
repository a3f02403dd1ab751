/// A regular expression that a whole segment of a path has to match.
final class RouteExpression: Sendable, Equatable {
    let source: String
    // Only read. Made of text, it has no closures; what it keeps for itself when it is used first is set atomically.
    nonisolated(unsafe) private let expression: Regex<AnyRegexOutput>

    init?(_ source: String) {
        guard let expression = try? Regex(source) else { return nil }
        self.source = source
        self.expression = expression
    }

    func accepts(_ segment: String) -> Bool {
        do {
            return try expression.wholeMatch(in: segment) != nil
        } catch {
            return false  // only closures throw
        }
    }

    static func == (left: RouteExpression, right: RouteExpression) -> Bool { left.source == right.source }
}
