import HTTPTypes
import SwiftletHTTP

/// What the fuzzer throws bytes at: each parser that reads what strangers send.
///
/// A target returns what is wrong; nothing may crash. Besides crashes it looks for what holds whatever the input is: where
/// the network cuts it makes no difference, and what was parsed and written again is parsed to the same.
public enum FuzzTarget: String, CaseIterable, Sendable {
    case request, response, chunked, multipart, url, cookie, websocket, compression

    /// Runs on one input.
    ///
    /// - Returns: what is wrong; `nil` if nothing is.
    public func run(_ input: [UInt8]) -> String? {
        switch self {
        case .request: Self.request(input)
        case .response: Self.response(input)
        case .chunked: Self.chunked(input)
        case .multipart: Self.multipart(input)
        case .url: Self.url(input)
        case .cookie: Self.cookie(input)
        case .websocket: Self.webSocket(input)
        case .compression: Self.compression(input)
        }
    }

    // MARK: Heads

    private static func request(_ input: [UInt8]) -> String? {
        var whole = RequestHeadParser()
        let expected = Result { () throws(HTTPParseError) in try whole.parse(input.span)?.byteCount }
        var pieces = RequestHeadParser()
        for cut in cuts(input) {
            let actual = Result { () throws(HTTPParseError) in
                try pieces.parse(input.span.extracting(first: cut))?.byteCount
            }
            if case .success(nil) = actual, cut < input.count { continue }
            if actual != expected { return "in pieces \(actual), at once \(expected)" }
            break
        }
        guard case .success(let count?) = expected else { return nil }
        if count > input.count { return "the head is longer than the input" }
        // All of it is looked at, and none of it crashes.
        var again = RequestHeadParser()
        guard let head = try? again.parse(input.span)?.head else { return "the same input was refused" }
        for field in head.headerFields where field.value.utf8.contains(where: { $0 == 10 || $0 == 13 || $0 == 0 }) {
            return "a value has a line ending"
        }
        return nil
    }

    private static func response(_ input: [UInt8]) -> String? {
        var whole = ResponseHeadParser()
        let expected = Result { () throws(HTTPParseError) in try whole.parse(input.span)?.byteCount }
        var pieces = ResponseHeadParser()
        for cut in cuts(input) {
            let actual = Result { () throws(HTTPParseError) in
                try pieces.parse(input.span.extracting(first: cut))?.byteCount
            }
            if case .success(nil) = actual, cut < input.count { continue }
            if actual != expected { return "in pieces \(actual), at once \(expected)" }
            break
        }
        guard case .success(_?) = expected else { return nil }
        var again = ResponseHeadParser()
        guard let head = try? again.parse(input.span)?.head else { return "the same input was refused" }
        for method in [HTTPRequest.Method.get, .head, .connect] { _ = head.framing(forRequestMethod: method) }
        return nil
    }

    /// A few places to cut at, chosen by the input itself, and its end.
    private static func cuts(_ input: [UInt8]) -> [Int] {
        guard input.count > 1 else { return [input.count] }
        var cuts = Set(input.prefix(4).map { Int($0) % input.count })
        cuts.insert(input.count / 2)
        cuts.insert(input.count - 1)
        return cuts.sorted() + [input.count]
    }

    // MARK: Bodies

    private static func chunked(_ input: [UInt8]) -> String? {
        var limits = HTTPLimits()
        limits.bodyLength = 1 << 20
        let expected = decode([input], limits)
        let middle = input.count / 2
        let halves = decode([Array(input[..<middle]), Array(input[middle...])], limits)
        if halves != expected { return "in halves \(halves), at once \(expected)" }
        guard input.count < 512 else { return nil }
        let bytes = decode(input.map { [$0] }, limits)
        return bytes == expected ? nil : "byte by byte \(bytes), at once \(expected)"
    }

    private struct Body: Hashable {
        var data: [UInt8] = []
        var isComplete = false
    }

    private static func decode(_ pieces: [[UInt8]], _ limits: HTTPLimits) -> Result<Body, HTTPParseError> {
        do throws(HTTPParseError) {
            var decoder = try BodyDecoder(framing: .chunked, limits: limits)
            var (body, buffer): (Body, [UInt8]) = (Body(), [])
            for piece in pieces where !body.isComplete {
                buffer += piece
                var needsMore = false
                while !needsMore && !body.isComplete {
                    switch try decoder.next(in: buffer.span) {
                    case .data(let range):
                        body.data += buffer[range]
                        buffer.removeFirst(range.upperBound)
                    case .incomplete(let consumed):
                        buffer.removeFirst(consumed)
                        needsMore = true
                    case .end(let consumed):
                        buffer.removeFirst(consumed)
                        body.isComplete = true
                    }
                }
            }
            return .success(body)
        } catch {
            return .failure(error)
        }
    }

    // MARK: Multipart forms

    private enum MultipartItem: Hashable {
        case part([String])
        case data([UInt8])
        case partEnd, end, refused
    }

    /// The first line is the boundary.
    private static func multipart(_ input: [UInt8]) -> String? {
        let lineEnd = input.firstIndex(of: 10) ?? 0
        let boundary = String(decoding: input[..<lineEnd], as: UTF8.self)
        let body = Array(input[min(lineEnd + 1, input.count)...])
        let expected = parts([body], boundary)
        let middle = body.count / 2
        let halves = parts([Array(body[..<middle]), Array(body[middle...])], boundary)
        if halves != expected { return "in halves \(halves), at once \(expected)" }
        let length = expected.reduce(0) { if case .data(let data) = $1 { $0 + data.count } else { $0 } }
        if length > body.count { return "the parts are longer than the body" }
        guard body.count < 512 else { return nil }
        let single = parts(body.map { [$0] }, boundary)
        return single == expected ? nil : "byte by byte \(single), at once \(expected)"
    }

    private static func parts(_ pieces: [[UInt8]], _ boundary: String) -> [MultipartItem] {
        var items: [MultipartItem] = []
        do throws(HTTPParseError) {
            var parser = try MultipartParser(boundary: boundary)
            for piece in pieces {
                parser.feed(piece)
                reading: while true {
                    switch try parser.next() {
                    case .incomplete: break reading
                    case .end:
                        // Whatever follows is dropped.
                        if items.last != .end { items.append(.end) }
                        break reading
                    case .part(let fields): items.append(.part(fields.map { "\($0.name): \($0.value)" }))
                    case .partEnd: items.append(.partEnd)
                    case .data(let bytes):
                        if case .data(let before) = items.last {
                            items[items.count - 1] = .data(before + bytes)
                        } else {
                            items.append(.data(bytes))
                        }
                    }
                }
            }
            try parser.finish()
        } catch {
            // How much was read before the fault was seen depends on the pieces; that there is one must not.
            return [.refused]
        }
        return items
    }

    // MARK: URLs

    private static func url(_ input: [UInt8]) -> String? {
        let text = String(decoding: input, as: UTF8.self)
        guard let url = try? HTTPURL(text) else { return nil }
        guard let again = try? HTTPURL(url.description) else { return "\(url) is refused, but came of \(text)" }
        // A URL's credentials are kept apart and not written.
        if again.description != url.description { return "\(again) came of \(url)" }
        if url.requestTarget.utf8.contains(where: { $0 <= 0x20 || $0 >= 0x7F }) { return "\(url) is no request target" }
        return nil
    }

    // MARK: Cookies

    private static func cookie(_ input: [UInt8]) -> String? {
        let text = String(decoding: input, as: UTF8.self)
        _ = HTTPCookie.pairs(text)
        guard let cookie = HTTPCookie(parsing: text, now: 1_700_000_000) else { return nil }
        let controls = (cookie.name + cookie.value).utf8.first { $0 < 0x20 && $0 != 9 || $0 == 0x7F || $0 == 0x3B }
        if let controls { return "byte \(controls) is in \(cookie)" }
        let jar = CookieJar()
        guard let url = try? HTTPURL("https://www.example.com/a/b") else { return "no URL" }
        guard jar.set(cookie, from: url) else { return nil }
        // It was for this host; so it is sent there or nowhere.
        guard let other = try? HTTPURL("https://example.org/a/b") else { return "no URL" }
        return jar.cookies(for: other).isEmpty ? nil : "\(cookie) goes to another site"
    }

    // MARK: WebSocket

    /// The first byte chooses the side and the compression.
    private static func webSocket(_ input: [UInt8]) -> String? {
        guard let first = input.first else { return nil }
        let bytes = Array(input.dropFirst())
        let expected = frames([bytes], first)
        let middle = bytes.count / 2
        let halves = frames([Array(bytes[..<middle]), Array(bytes[middle...])], first)
        if halves != expected { return "in halves \(halves), at once \(expected)" }
        guard bytes.count < 256 else { return nil }
        let single = frames(bytes.map { [$0] }, first)
        return single == expected ? nil : "byte by byte \(single), at once \(expected)"
    }

    private static func frames(_ pieces: [[UInt8]], _ options: UInt8) -> [String] {
        var deflate: PermessageDeflate?
        #if Zlib
            if options & 2 != 0 { deflate = PermessageDeflate() }
            deflate?.client.forgetsContext = options & 4 != 0
        #endif
        guard var decoder = try? FrameDecoder(isServer: options & 1 == 0, frameLimit: nil, deflate: deflate) else {
            return ["no decoder"]
        }
        var (buffer, payload, log): ([UInt8], [UInt8], [String]) = ([], [], [])
        do throws(WebSocketError) {
            for piece in pieces {
                buffer += piece
                decoding: while true {
                    let (consumed, event) = try buffer.withUnsafeBufferPointer { bytes throws(WebSocketError) in
                        try decoder.next(in: bytes, into: &payload, limit: 1 << 16)
                    }
                    buffer.removeFirst(consumed)
                    if payload.count > 1 << 17 { log.append("more than the limit") }
                    switch event {
                    case .incomplete: break decoding
                    case .part: continue
                    case .end(let kind):
                        log.append("\(kind) \(payload)")
                        payload = []
                    default: log.append("\(event)")
                    }
                }
            }
        } catch {
            // Which fault is seen first may depend on what has come; that there is one must not.
            log.append("refused")
        }
        return log
    }

    // MARK: Compression

    /// The first byte chooses the coding.
    private static func compression(_ input: [UInt8]) -> String? {
        guard let first = input.first, !ContentCoding.supported.isEmpty else { return nil }
        let coding = ContentCoding.supported[Int(first) % ContentCoding.supported.count]
        guard let decompressor = try? Decompressor(coding, limits: ExpansionLimits(length: 1 << 18)) else {
            return "no decoder"
        }
        var output: [UInt8] = []
        do throws(CompressionError) {
            try decompressor.decode(Array(input.dropFirst()), into: &output)
            try decompressor.finish()
        } catch {
            return output.count <= (1 << 18) + (1 << 16) ? nil : "\(output.count) bytes came out in spite of the limit"
        }
        return nil
    }
}
