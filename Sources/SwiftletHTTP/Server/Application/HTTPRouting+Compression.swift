import HTTPTypes

extension HTTPRouting {
    /// Compresses answers for clients that say they take it: text, JSON, XML and scripts, from a length on, and streams, of
    /// which every piece that is written can be read by the client at once. aiohttp's `enable_compression`.
    ///
    /// Answers that are coded already, files and ranges go as they are. It is a middleware: what surrounds it sees the
    /// compressed answer. Compressing a whole body takes some 20 ms a megabyte, during which the loop serves nobody else.
    ///
    /// - Parameters:
    ///   - minimumLength: shorter bodies are sent as they are.
    ///   - codings: what is offered, the preferred one first; by default all that are built in.
    ///   - level: how hard to try; see `Compressor`.
    public func compressResponses(
        from minimumLength: Int = 1024, codings: [ContentCoding] = ContentCoding.supported, level: Int? = nil
    ) {
        use { (request: HTTPServerRequest, next: HTTPNextHandler) throws -> HTTPServerResponse in
            var response = try next(request)
            guard response.isCompressible(from: minimumLength) else { return response }
            // Caches are to know it from answers in clear, too (RFC 9110, 12.5.5).
            response.headers.append(HTTPField(name: .vary, value: "Accept-Encoding"))
            let coding = ContentCoding.negotiated(accepting: request.headers[.acceptEncoding], from: codings)
            guard coding != .identity else { return response }
            try response.compress(coding, level: level)
            return response
        }
    }
}

extension HTTPServerResponse {
    fileprivate func isCompressible(from minimumLength: Int) -> Bool {
        let code = status.code
        guard code >= 200, code != 204, code != 206, code != 304, takeOver == nil,
            headers[.contentEncoding] == nil, headers[.acceptRanges] == nil, headers[.contentRange] == nil,
            headers[.cacheControl]?.contains("no-transform") != true
        else { return false }
        if let count = body.count, count < minimumLength { return false }
        return MediaType(headers[.contentType] ?? contentType ?? "").isText
    }

    fileprivate mutating func compress(_ coding: ContentCoding, level: Int?) throws {
        switch body.content {
        case .stream(_, let produce):
            body = .stream { (writer: Writer) throws in
                try writer.compress(try Compressor(coding, level: level)) { try produce(writer) }
            }
        case .bytes, .text:
            let compressor = try Compressor(coding, level: level)
            var coded: [UInt8] = []
            try compressor.encode(body.bytes ?? [], into: &coded)
            try compressor.finish(into: &coded)
            body = Body(coded)
        }
        headers[.contentEncoding] = coding.name
        // The bytes are others than those that a strong tag stands for (RFC 9110, 8.8.3).
        if let tag = headers[.eTag], !tag.hasPrefix("W/") { headers[.eTag] = "W/" + tag }
    }
}

extension MediaType {
    /// Text, which becomes much smaller; pictures and archives do not.
    fileprivate var isText: Bool {
        essence.hasPrefix("text/") || isJSON || essence.hasSuffix("+xml")
            || ["application/javascript", "application/xml", "application/wasm"].contains(essence)
    }
}
