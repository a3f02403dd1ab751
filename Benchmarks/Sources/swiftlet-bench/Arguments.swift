struct UsageError: Error { let reason: String }

/// The command line, taken word by word. What is left out has the default that the peers' programs have.
final class Arguments {
    private var words: ArraySlice<String>

    init(_ words: ArraySlice<String>) { self.words = words }

    func word() throws -> String {
        guard let word = words.popFirst() else { throw UsageError(reason: "which workload?") }
        return word
    }

    func number(or fallback: Int? = nil) throws -> Int {
        guard let word = words.popFirst() else {
            guard let fallback else { throw UsageError(reason: "a number is missing") }
            return fallback
        }
        guard let number = Int(word), number > 0 else { throw UsageError(reason: "not a positive number: \(word)") }
        return number
    }

    func kind() throws -> Kind {
        guard let word = words.popFirst() else { return .fiber }
        guard let kind = Kind(rawValue: word) else { throw UsageError(reason: "neither fiber nor task: \(word)") }
        return kind
    }

    /// Whether jobs go one by one, not in chunks.
    func isSingle() throws -> Bool {
        switch words.popFirst() {
        case nil, "chunked": false
        case "single": true
        case let word?: throw UsageError(reason: "neither chunked nor single: \(word)")
        }
    }

    func lockKind() throws -> LockKind {
        guard let word = words.popFirst() else { return .lock }
        guard let kind = LockKind(rawValue: word) else {
            throw UsageError(reason: "neither lock nor semaphore: \(word)")
        }
        return kind
    }

    func limit() throws -> Limit {
        let word = try word()
        guard let limit = Limit(rawValue: word) else { throw UsageError(reason: "no limit is known of: \(word)") }
        return limit
    }
}
