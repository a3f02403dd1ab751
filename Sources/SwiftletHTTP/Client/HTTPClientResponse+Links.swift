import HTTPTypes
import Swiftlet

private let linkName = HTTPField.Name("Link")!

extension HTTPClientResponse {
    /// The targets of the Link fields (RFC 8288) by their relation, such as `next`, relative to the response's URL. What is
    /// malformed is left out.
    ///
    /// The Python counterpart is `response.links`.
    public var links: [String: HTTPURL] {
        var links: [String: HTTPURL] = [:]
        for field in headers[values: linkName] {
            var rest = field[...]
            while let start = rest.firstIndex(of: "<"), let end = rest[start...].firstIndex(of: ">") {
                let target = rest[rest.index(after: start)..<end]
                rest = rest[rest.index(after: end)...]
                let parameters = MediaType(String(rest[..<Self.endOfLink(rest)])).parameters
                rest = rest[Self.endOfLink(rest)...]
                guard let relations = parameters["rel"], let link = try? url.resolving(String(target)) else { continue }
                for relation in relations.split(separator: " ") where links[relation.lowercased()] == nil {
                    links[relation.lowercased()] = link
                }
            }
        }
        return links
    }

    /// What Content-Disposition says, such as `attachment` and a `filename`; `nil` without the field.
    public var contentDisposition: MediaType? { headers[.contentDisposition].map { MediaType($0) } }

    /// Where a comma outside of quotes ends a link.
    private static func endOfLink(_ text: Substring) -> Substring.Index {
        var isQuoted = false
        for index in text.indices {
            if text[index] == "\"" { isQuoted.toggle() }
            if text[index] == ",", !isQuoted { return index }
        }
        return text.endIndex
    }
}
