import Swiftlet

/// What a site's robots.txt lets a robot do (RFC 9309).
struct RobotRules {
    private struct Rule {
        var pattern: Substring
        var allows: Bool
    }

    private var rules: [Rule] = []
    /// What the site wants between two requests; not in the RFC, and widely used.
    private(set) var pause: Duration?

    static let everything = RobotRules()
    static let nothing = RobotRules(rules: [Rule(pattern: "/", allows: false)])

    private init(rules: [Rule] = []) { self.rules = rules }

    /// Takes the groups that name the robot, or else those for all.
    init(_ text: String, for robot: String) {
        var own = RobotRules()
        var others = RobotRules()
        var (isOwn, isForAll, isNaming, hasOwn) = (false, false, false, false)
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.prefix { $0 != "#" }.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let (key, value) = (Self.trimmed(parts[0]).lowercased(), Self.trimmed(parts[1]))
            if key == "user-agent" {
                // Several may stand above one group.
                if !isNaming { (isOwn, isForAll) = (false, false) }
                isNaming = true
                isOwn = isOwn || value.lowercased() == robot.lowercased()
                isForAll = isForAll || value == "*"
                hasOwn = hasOwn || isOwn
                continue
            }
            isNaming = false
            if isOwn { own.add(key, value) }
            if isForAll { others.add(key, value) }
        }
        self = hasOwn ? own : others
    }

    private mutating func add(_ key: String, _ value: Substring) {
        switch key {
        case "allow", "disallow": if !value.isEmpty { rules.append(Rule(pattern: value, allows: key == "allow")) }
        case "crawl-delay": pause = Double(value).map { .seconds(min($0, 60)) }
        default: break
        }
    }

    /// The longest pattern that matches decides; of two that are as long the one that allows.
    func allow(_ target: String) -> Bool {
        let matching = rules.filter { Self.matches(target[...], $0.pattern) }
        let longest = matching.map(\.pattern.utf8.count).max() ?? 0
        return matching.isEmpty || matching.contains { $0.allows && $0.pattern.utf8.count == longest }
    }

    /// A pattern is the beginning of a path; `*` stands for anything, a last `$` for the end.
    private static func matches(_ text: Substring, _ pattern: Substring) -> Bool {
        guard let star = pattern.firstIndex(of: "*") else {
            return pattern.last == "$" ? text == pattern.dropLast() : text.hasPrefix(pattern)
        }
        guard text.hasPrefix(pattern[..<star]) else { return false }
        let rest = pattern[pattern.index(after: star)...]
        return text.dropFirst(pattern[..<star].count).indices.contains { matches(text[$0...], rest) } || rest.isEmpty
            || rest == "$"
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
