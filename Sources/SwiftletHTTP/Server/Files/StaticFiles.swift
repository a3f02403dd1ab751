import HTTPTypes
import Swiftlet

/// How a directory is served.
public struct HTTPFileOptions: Sendable {
    /// What a directory is answered with, if it has one of these.
    public var indexNames = ["index.html"]
    /// Directories without an index are answered with a list of their files, instead of 404.
    public var listsDirectories = false
    /// Names that begin with a point are served, too.
    public var servesHiddenFiles = false
    /// The Cache-Control field of files, such as `max-age=3600`.
    public var cacheControl: String?

    public init() {}
}

extension HTTPRouting {
    /// Serves the files of a directory. Flask's `static_folder`, aiohttp's `add_static`.
    ///
    /// With ETag, Last-Modified and conditional requests, and ranges, one or several. Nothing outside of the directory is
    /// reached, neither by `..` and escapes of it nor by symbolic links that lead out.
    ///
    /// - Parameters:
    ///   - prefix: where they are, such as `/static`; `/` for all paths that no other route has.
    ///   - directory: a path of this machine. It is opened for each file anew.
    ///   - options: what directories are answered with, and so on.
    public func files(_ prefix: String, from directory: String, options: HTTPFileOptions = HTTPFileOptions()) {
        let files = StaticFiles(directory: directory, options: options)
        let prefix = prefix.hasSuffix("/") ? String(prefix.dropLast()) : prefix
        let handler: @Sendable (HTTPServerRequest) throws -> HTTPServerResponse = { request in
            try files.answer(request, request.parameters["path"] ?? "")
        }
        route("\(prefix)/{path:path}", handler: handler)
    }
}

extension HTTPServerResponse {
    /// A file, with ETag, Last-Modified and what the request says about them, and ranges. aiohttp's `FileResponse`, Flask's
    /// `send_from_directory`.
    ///
    /// - Parameters:
    ///   - path: relative to the directory; it may come from a client, since it never leads out of that.
    ///   - directory: a path of this machine.
    ///   - request: the one that is answered.
    ///   - contentType: `nil` takes it from the name.
    /// - Throws: `HTTPAbort` with 404, 412 or 416.
    public static func file(
        _ path: String, in directory: String, for request: HTTPServerRequest, contentType: String? = nil
    ) throws -> HTTPServerResponse {
        guard let file = ServedFile(path, under: directory), !file.isDirectory else { throw HTTPAbort(.notFound) }
        return try StaticFiles.answer(request, file, contentType ?? ContentTypes.type(of: path), cacheControl: nil)
    }
}

/// A directory that is served.
struct StaticFiles {
    let directory: String
    let options: HTTPFileOptions

    func answer(_ request: HTTPServerRequest, _ path: String) throws -> HTTPServerResponse {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        for (index, segment) in segments.enumerated() {
            // An empty one is only at the end, behind the slash of a directory.
            if segment.isEmpty, index < segments.count - 1 { throw HTTPAbort(.notFound) }
            if segment == "." || segment == ".." { throw HTTPAbort(.notFound) }
            if segment.hasPrefix("."), !options.servesHiddenFiles { throw HTTPAbort(.notFound) }
        }
        guard let file = ServedFile(path, under: directory) else { throw HTTPAbort(.notFound) }
        guard file.isDirectory else {
            if path.hasSuffix("/") { throw HTTPAbort(.notFound) }
            return try Self.answer(request, file, ContentTypes.type(of: path), cacheControl: options.cacheControl)
        }
        guard path.isEmpty || path.hasSuffix("/") else {
            return .redirect(to: request.rawPath + "/", query: request.query)
        }
        for name in options.indexNames {
            guard let index = ServedFile(path + name, under: directory), !index.isDirectory else { continue }
            return try Self.answer(request, index, ContentTypes.type(of: name), cacheControl: options.cacheControl)
        }
        guard options.listsDirectories else { throw HTTPAbort(.notFound) }
        return list(file, request.path)
    }

    private func list(_ directory: ServedFile, _ path: String) -> HTTPServerResponse {
        let items = directory.names().map { name in
            let link = PercentEncoding.encodeAll(name) { $0.isPathCharacter && $0 != .colon }
            return "<li><a href=\"./\(link)\">\(Self.escaped(name))</a></li>\n"
        }
        let title = "Files in \(Self.escaped(path))"
        return HTTPServerResponse(
            "<!DOCTYPE html>\n<title>\(title)</title>\n<h1>\(title)</h1>\n<ul>\n\(items.joined())</ul>\n")
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    static func answer(
        _ request: HTTPServerRequest, _ file: ServedFile, _ contentType: String, cacheControl: String?
    ) throws -> HTTPServerResponse {
        var headers: HTTPFields = [
            .eTag: file.validators.entityTag, .lastModified: DateField.format(file.validators.modified),
        ]
        if let cacheControl { headers[.cacheControl] = cacheControl }
        switch file.validators.judge(request) {
        case .failed: throw HTTPAbort(.preconditionFailed)
        case .notModified: return HTTPServerResponse(status: .notModified, headers: headers)
        case .proceed: break
        }
        headers[.acceptRanges] = "bytes"
        headers[.xContentTypeOptions] = "nosniff"
        let field = request.method == .get && file.validators.allowsRange(request) ? request.headers[.range] : nil
        switch ByteRanges(field, length: file.length) {
        case .all:
            return stream(file, 0..<file.length, .ok, headers, contentType)
        case .none:
            throw HTTPAbort(.rangeNotSatisfiable, headers: [.contentRange: "bytes */\(file.length)"])
        case .some(let ranges):
            guard ranges.count > 1 else {
                headers[.contentRange] = contentRange(ranges[0], file)
                return stream(file, ranges[0], .partialContent, headers, contentType)
            }
            return multipart(file, ranges, headers, contentType)
        }
    }

    private static func contentRange(_ range: Range<Int>, _ file: ServedFile) -> String {
        "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.length)"
    }

    private static func stream(
        _ file: ServedFile, _ range: Range<Int>, _ status: HTTPResponse.Status, _ headers: HTTPFields,
        _ contentType: String
    ) -> HTTPServerResponse {
        .stream(status: status, headers: headers, length: range.count, contentType: contentType) {
            (writer: Writer) throws in
            try file.write(range, to: writer)
        }
    }

    private typealias Writer = HTTPServerResponse.Writer

    /// RFC 9110, 14.6.
    private static func multipart(
        _ file: ServedFile, _ ranges: [Range<Int>], _ headers: HTTPFields, _ contentType: String
    ) -> HTTPServerResponse {
        let boundary = "swiftlet-\(String(UInt64.random(in: 1 << 60 ... .max), radix: 16))"
        let heads = ranges.map { range in
            "\r\n--\(boundary)\r\nContent-Type: \(contentType)\r\nContent-Range: \(contentRange(range, file))\r\n\r\n"
        }
        let end = "\r\n--\(boundary)--\r\n"
        let length = zip(heads, ranges).reduce(end.utf8.count) { $0 + $1.0.utf8.count + $1.1.count }
        return .stream(
            status: .partialContent, headers: headers, length: length,
            contentType: "multipart/byteranges; boundary=\(boundary)"
        ) { (writer: Writer) throws in
            for (head, range) in zip(heads, ranges) {
                try writer.write(head)
                try file.write(range, to: writer)
            }
            try writer.write(end)
        }
    }
}
