import HTTPTypes
import Swiftlet

/// A form that was sent: its fields, and its files in memory.
public struct HTTPForm: Sendable {
    /// A file of a form.
    public struct File: Sendable {
        public let name: String
        /// The file's name without any folders, as the client has it. Never to be trusted.
        public let fileName: String
        public let contentType: String?
        public let bytes: [UInt8]
    }

    public internal(set) var fields: HTTPParameters
    public internal(set) var files: [File] = []

    /// The first value of a field.
    public subscript(name: String) -> String? { fields[name] }

    /// The first file of a field.
    public func file(_ name: String) -> File? { files.first { $0.name == name } }
}

extension HTTPServerRequest {
    /// The body as a form: names and values, or several parts with files, all in memory. For files of any size there is
    /// `multipart`. Flask's `request.form` and `request.files`, aiohttp's `request.post()`.
    ///
    /// Cancellation: ends the wait.
    /// - Parameter limit: the most bytes altogether; `nil` takes the server's `limits.bodyLength`.
    /// - Throws: `HTTPAbort` with 415 when the body is no form, with 413 when it is too long; what `bytes` throws.
    public func form(limit: Int? = nil) throws -> HTTPForm { try readForm(limit) }

    /// The body as a form, for a task.
    ///
    /// Cancellation: ends the wait.
    public func form(limit: Int? = nil) async throws -> HTTPForm { try await parkInTask { try self.readForm(limit) } }

    private func readForm(_ limit: Int?) throws -> HTTPForm {
        switch contentType {
        case "application/x-www-form-urlencoded":
            let bytes = try bodySource?.all(limit: limit ?? bodyLimit) ?? []
            return HTTPForm(fields: HTTPParameters(parsing: String(decoding: bytes, as: UTF8.self)))
        case "multipart/form-data":
            var form = HTTPForm(fields: HTTPParameters())
            var rest = limit ?? bodyLimit ?? .max
            let parts = try multipart()
            while let part = try parts.next() {
                let bytes = try part.bytes(limit: rest)
                rest -= bytes.count
                if let fileName = part.fileName {
                    form.files.append(
                        HTTPForm.File(
                            name: part.name, fileName: fileName, contentType: part.contentType, bytes: bytes))
                } else {
                    form.fields.append(part.name, String(decoding: bytes, as: UTF8.self))
                }
            }
            return form
        default:
            throw HTTPAbort(.unsupportedMediaType, "the body is no form")
        }
    }

    /// The parts of a multipart body, while they come.
    ///
    /// - Parameter partLimit: the most parts.
    /// - Throws: `HTTPAbort` with 415 when the body has no parts; `HTTPParseError` for a boundary that is none.
    public func multipart(partLimit: Int = 1000) throws -> MultipartReader {
        guard let type = contentType, type.hasPrefix("multipart/") else {
            throw HTTPAbort(.unsupportedMediaType, "the body is not multipart")
        }
        let body = body
        return try MultipartReader(contentType: headers[.contentType], partLimit: partLimit) { try body.next() }
    }
}
