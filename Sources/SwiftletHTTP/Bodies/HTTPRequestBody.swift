import FoundationEssentials
import Glibc
import Swiftlet

/// What a request carries: bytes, text, JSON, a form, files, or a stream.
///
/// ```swift
/// try client.post(url, body: .json(order))
/// try client.post(url, body: .form(["name": "Ada", "born": "1815"]))
/// try client.put(url, body: .file("/var/log/syslog"))
/// try client.post(url, body: .stream { writer in
///     for row in rows { try writer.write(row.csv) }
/// })
/// ```
///
/// A stream of unknown length is sent in chunks.
public struct HTTPRequestBody: Sendable, ExpressibleByArrayLiteral {
    enum Content: Sendable {
        case bytes([UInt8])
        case stream(length: Int?, isRepeatable: Bool, @Sendable (HTTPBodyWriter) throws -> Void)
    }

    let content: Content
    /// The Content-Type field of requests that set none themselves.
    public var contentType: String?
    /// How it is coded on the way, as Content-Encoding says.
    private(set) var coding: ContentCoding?

    init(_ content: Content, contentType: String? = nil) {
        self.content = content
        self.contentType = contentType
    }

    public init(arrayLiteral elements: UInt8...) { self.init(.bytes(elements)) }

    /// Bytes as they are.
    public static func bytes(_ bytes: [UInt8], contentType: String? = nil) -> HTTPRequestBody {
        HTTPRequestBody(.bytes(bytes), contentType: contentType)
    }

    /// Text as UTF-8.
    public static func text(_ text: String, contentType: String = "text/plain; charset=utf-8") -> HTTPRequestBody {
        HTTPRequestBody(.bytes(Array(text.utf8)), contentType: contentType)
    }

    /// A value as JSON.
    ///
    /// - Throws: `EncodingError`.
    public static func json(_ value: some Encodable) throws -> HTTPRequestBody {
        HTTPRequestBody(.bytes(Array(try JSONEncoder().encode(value))), contentType: "application/json")
    }

    /// Names and values as `application/x-www-form-urlencoded`.
    public static func form(_ fields: HTTPParameters) -> HTTPRequestBody {
        HTTPRequestBody(.bytes(Array(fields.form.utf8)), contentType: "application/x-www-form-urlencoded")
    }

    /// Names, values and files as `multipart/form-data`. Files are read while they are sent.
    ///
    /// - Throws: `MultipartFormError`, for a name that would break out of its line; `HTTPFileError`.
    public static func multipart(_ form: MultipartForm) throws -> HTTPRequestBody { try form.body() }

    /// A file, read while it is sent. Its length is taken now: it must not change meanwhile.
    ///
    /// - Throws: `HTTPFileError`.
    public static func file(
        _ path: String, contentType: String? = "application/octet-stream"
    ) throws -> HTTPRequestBody {
        let length = try FileReader.length(of: path)
        return HTTPRequestBody(
            .stream(length: length, isRepeatable: true) { writer in
                try FileReader.read(path, length: length) { try writer.write($0) }
            }, contentType: contentType)
    }

    /// What a function writes, as it writes it: each write waits until the server has taken the one before.
    ///
    /// - Parameters:
    ///   - length: how many bytes there will be; `nil` sends chunks.
    ///   - contentType: what the server is told that they are.
    ///   - isRepeatable: calling the function again gives the same, so that the request may be sent again where its rules
    ///     allow that.
    ///   - produce: writes the body. What it throws ends the request.
    public static func stream(
        length: Int? = nil, contentType: String? = nil, isRepeatable: Bool = false,
        _ produce: @escaping @Sendable (HTTPBodyWriter) throws -> Void
    ) -> HTTPRequestBody {
        HTTPRequestBody(
            .stream(length: length, isRepeatable: isRepeatable, produce), contentType: contentType)
    }

    /// The elements of a sequence, taken as they are sent.
    public static func sequence(
        _ pieces: some Sequence<[UInt8]> & Sendable, length: Int? = nil, contentType: String? = nil
    ) -> HTTPRequestBody {
        stream(length: length, contentType: contentType) { writer in
            for piece in pieces { try writer.write(piece) }
        }
    }

    /// The elements of an asynchronous sequence, taken as they are sent.
    public static func sequence<Pieces: AsyncSequence & Sendable>(
        _ pieces: Pieces, length: Int? = nil, contentType: String? = nil
    ) -> HTTPRequestBody where Pieces.Element == [UInt8] {
        stream(length: length, contentType: contentType) { writer in
            try blockOn { for try await piece in pieces { try await writer.write(piece) } }
        }
    }

    /// The body, compressed: at once what is in memory, streams and files while they are sent, in chunks. Few servers take it:
    /// they must be known to. aiohttp's `compress`.
    ///
    /// - Throws: `CompressionError`.
    public func compressed(_ coding: ContentCoding = .gzip, level: Int? = nil) throws -> HTTPRequestBody {
        let compressor = try Compressor(coding, level: level)
        var body: HTTPRequestBody
        switch content {
        case .bytes(let bytes):
            var coded: [UInt8] = []
            try compressor.encode(bytes, into: &coded)
            try compressor.finish(into: &coded)
            body = .bytes(coded, contentType: contentType)
        case .stream(_, let isRepeatable, let produce):
            body = .stream(contentType: contentType, isRepeatable: isRepeatable) { writer in
                try writer.compress(try Compressor(coding, level: level)) { try produce(writer) }
            }
        }
        body.coding = coding == .identity ? nil : coding
        return body
    }

    /// The length, if it is known before.
    var length: Int? {
        switch content {
        case .bytes(let bytes): bytes.count
        case .stream(let length, _, _): length
        }
    }

    /// Sending it once more sends the same.
    var isRepeatable: Bool {
        switch content {
        case .bytes: true
        case .stream(_, let isRepeatable, _): isRepeatable
        }
    }
}
