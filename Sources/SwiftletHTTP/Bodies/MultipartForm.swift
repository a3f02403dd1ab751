/// A form with files, as `multipart/form-data` (RFC 7578).
///
/// ```swift
/// var form = MultipartForm()
/// form.append("title", "Report")
/// try form.appendFile("document", path: "report.pdf", contentType: "application/pdf")
/// try client.post(url, body: .multipart(form))
/// ```
///
/// The Python counterparts are aiohttp's `FormData` and the `files=` of requests.
public struct MultipartForm: Sendable {
    private enum Content: Sendable {
        case bytes([UInt8])
        case file(path: String, length: Int)

        var length: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .file(_, let length): length
            }
        }
    }

    private struct Part: Sendable {
        var name: String
        var fileName: String?
        var contentType: String?
        var content: Content
    }

    private var parts: [Part] = []
    /// What stands between the parts.
    public let boundary: String

    /// Makes a form without parts.
    public init() {
        // 128 random bits: no content has it by chance, and nobody can guess it and end a part early.
        boundary = "swiftlet-" + (0..<2).map { _ in String(UInt64.random(in: 1 << 60 ... .max), radix: 16) }.joined()
    }

    /// Adds a field.
    public mutating func append(_ name: String, _ value: String) {
        parts.append(Part(name: name, content: .bytes(Array(value.utf8))))
    }

    /// Adds bytes, as a file if they have a file name.
    public mutating func append(
        _ name: String, bytes: [UInt8], fileName: String? = nil, contentType: String? = "application/octet-stream"
    ) {
        parts.append(Part(name: name, fileName: fileName, contentType: contentType, content: .bytes(bytes)))
    }

    /// Adds a file, which is read while it is sent. Its length is taken now.
    ///
    /// - Parameters:
    ///   - name: of the field.
    ///   - path: where the file is.
    ///   - fileName: what the server is told; `nil` is the last part of the path.
    ///   - contentType: what the server is told that the file is.
    /// - Throws: `HTTPFileError`.
    public mutating func appendFile(
        _ name: String, path: String, fileName: String? = nil, contentType: String? = "application/octet-stream"
    ) throws(HTTPFileError) {
        let lastPart = path.split(separator: "/").last.map(String.init)
        let length = try FileReader.length(of: path)
        parts.append(
            Part(
                name: name, fileName: fileName ?? lastPart, contentType: contentType,
                content: .file(path: path, length: length)))
    }

    func body() throws -> HTTPRequestBody {
        let end = Array("--\(boundary)--\r\n".utf8)
        let heads = try parts.map { try head(of: $0) }
        let length = zip(heads, parts).reduce(end.count) { $0 + $1.0.count + $1.1.content.length + 2 }
        let parts = parts
        return HTTPRequestBody(
            .stream(length: length, isRepeatable: true) { writer in
                for (head, part) in zip(heads, parts) {
                    switch part.content {
                    case .bytes(let bytes):
                        try writer.write(head + bytes)
                    case .file(let path, let length):
                        try writer.write(head)
                        try FileReader.read(path, length: length) { try writer.write($0) }
                    }
                    try writer.write("\r\n")
                }
                try writer.write(end)
            }, contentType: "multipart/form-data; boundary=\(boundary)")
    }

    private func head(of part: Part) throws(MultipartFormError) -> [UInt8] {
        var text = "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(try Self.quoted(part.name))\""
        if let fileName = part.fileName { text += "; filename=\"\(try Self.quoted(fileName))\"" }
        text += "\r\n"
        if let contentType = part.contentType {
            guard contentType.utf8.allSatisfy(\.isFieldValueCharacter) else {
                throw MultipartFormError(text: contentType)
            }
            text += "Content-Type: \(contentType)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    /// What browsers do: a quotation mark is escaped, the rest is UTF-8 as it is (RFC 7578, 4.2, and 5.1.1).
    private static func quoted(_ text: String) throws(MultipartFormError) -> String {
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { throw MultipartFormError(text: text) }
        return text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "%22")
    }
}

/// A name, file name or content type with characters that would break out of its line, as an attacker's may.
public struct MultipartFormError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was refused.
    public let text: String

    public var description: String {
        "\(text.debugDescription) cannot stand in a multipart form: it has control characters, such as line endings"
    }
}
