import HTTPTypes

/// What tells one state of a file from another, and what a request says about the state that it knows (RFC 9110, 13).
struct Validators {
    let entityTag: String
    /// In seconds since 1970.
    let modified: Int

    enum Judgement {
        /// Send it.
        case proceed
        /// 304: the client has it.
        case notModified
        /// 412: it is not what the client thinks.
        case failed
    }

    /// In the order of RFC 9110, 13.2.2.
    func judge(_ request: HTTPServerRequest) -> Judgement {
        let headers = request.headers
        if let tags = headers[.ifMatch] {
            guard matches(tags, isStrong: true) else { return .failed }
        } else if let date = headers[.ifUnmodifiedSince].flatMap(DateField.parse) {
            guard modified <= date else { return .failed }
        }
        if let tags = headers[.ifNoneMatch] {
            return matches(tags, isStrong: false) ? .notModified : .proceed
        }
        if let date = headers[.ifModifiedSince].flatMap(DateField.parse) {
            return modified <= date ? .notModified : .proceed
        }
        return .proceed
    }

    /// A range of another state would make a mixture (13.1.5): then the whole is sent.
    func allowsRange(_ request: HTTPServerRequest) -> Bool {
        guard let condition = request.headers[.ifRange] else { return true }
        if condition.hasPrefix("\"") { return condition == entityTag }
        return DateField.parse(condition) == modified
    }

    /// Whether a list of tags has this one. A weak one never matches strongly.
    private func matches(_ tags: String, isStrong: Bool) -> Bool {
        if tags.filter({ $0 != " " }) == "*" { return true }
        // Commas within a tag never make another's text of ours, which has none.
        return tags.split(separator: ",").contains { tag in
            var tag = tag.drop { $0 == " " || $0 == "\t" }
            while tag.last == " " || tag.last == "\t" { tag = tag.dropLast() }
            if tag.hasPrefix("W/") {
                if isStrong { return false }
                tag = tag.dropFirst(2)
            }
            return tag == entityTag
        }
    }
}
