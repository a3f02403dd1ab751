public import HTTPTypes
import Swiftlet

/// Reads the parts of a multipart body one after the other, while they come: files of any size in bounded memory.
///
/// ```swift
/// let parts = try request.multipart()
/// while let part = try parts.next() {
///     while let piece = try part.next() { try store.append(piece, to: part.fileName) }
/// }
/// ```
/// A client reads those of an answer likewise, by `HTTPResponseStream.multipart()`. aiohttp's `MultipartReader`.
///
/// Thread rules: one reader at a time.
public final class MultipartReader: @unchecked Sendable {
    /// The next piece of the body; `nil` at its end.
    private let nextPieceOfBody: () throws -> [UInt8]?
    private let partLimit: Int
    private var parser: MultipartParser
    private var partCount = 0
    private var current: Part?

    init(
        contentType: String?, partLimit: Int, _ nextPieceOfBody: @escaping () throws -> [UInt8]?
    ) throws(HTTPParseError) {
        let boundary = MediaType(contentType ?? "").parameters["boundary"] ?? ""
        self.nextPieceOfBody = nextPieceOfBody
        self.partLimit = partLimit
        parser = try MultipartParser(boundary: boundary)
    }

    /// The next part; `nil` behind the last. What has not been read of the one before is dropped.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `HTTPParseError` for a malformed body; `HTTPAbort` with 413 for too many parts; what the body throws.
    public func next() throws -> Part? { try nextPart() }

    /// The next part, for a task.
    ///
    /// Cancellation: ends the wait.
    public func next() async throws -> Part? { try await parkInTask { try self.nextPart() } }

    private func nextPart() throws -> Part? {
        while let current, !current.isEnded { _ = try nextPiece(of: current) }
        current = nil
        guard case .part(let fields) = try event() else { return nil }
        partCount += 1
        guard partCount <= partLimit else {
            throw HTTPAbort(.contentTooLarge, "the body has more than \(partLimit) parts")
        }
        let part = Part(fields, of: self)
        current = part
        return part
    }

    fileprivate func nextPiece(of part: Part) throws -> [UInt8]? {
        guard part === current, !part.isEnded else { return nil }
        switch try event() {
        case .data(let bytes): return bytes
        default:
            part.isEnded = true
            return nil
        }
    }

    private func event() throws -> MultipartParser.Event {
        while true {
            let event = try parser.next()
            guard event == .incomplete else { return event }
            guard let piece = try nextPieceOfBody() else {
                try parser.finish()
                return .end
            }
            parser.feed(piece)
        }
    }

    /// A part: a field of a form, or a file.
    ///
    /// Thread rules: those of its reader. It can be read until the next part is asked for.
    public final class Part: @unchecked Sendable {
        public let headers: HTTPFields
        /// The field's name; empty if the part does not say.
        public let name: String
        /// The file's name without any folders, as the client has it; `nil` for what is no file. Never to be trusted.
        public let fileName: String?
        /// The Content-Type field.
        public var contentType: String? { headers[.contentType] }
        fileprivate var isEnded = false
        private unowned let reader: MultipartReader

        fileprivate init(_ headers: HTTPFields, of reader: MultipartReader) {
            self.headers = headers
            self.reader = reader
            let disposition = MediaType(headers[.contentDisposition] ?? "").parameters
            name = disposition["name"] ?? ""
            fileName = disposition["filename"].map { text in
                String(text.split(omittingEmptySubsequences: false) { $0 == "/" || $0 == "\\" }.last ?? "")
            }
        }

        /// The next piece of the content; `nil` at its end.
        ///
        /// Cancellation: ends the wait.
        public func next() throws -> [UInt8]? { try reader.nextPiece(of: self) }

        /// The next piece of the content, for a task.
        ///
        /// Cancellation: ends the wait.
        public func next() async throws -> [UInt8]? { try await parkInTask { try self.reader.nextPiece(of: self) } }

        /// The whole content.
        ///
        /// - Throws: `HTTPAbort` with 413 when it is longer than `limit`; what `next` throws.
        public func bytes(limit: Int = 1 << 20) throws -> [UInt8] { try all(limit) }

        /// The whole content, for a task.
        public func bytes(limit: Int = 1 << 20) async throws -> [UInt8] { try await parkInTask { try self.all(limit) } }

        private func all(_ limit: Int) throws -> [UInt8] {
            var all: [UInt8] = []
            while let piece = try reader.nextPiece(of: self) {
                guard all.count + piece.count <= limit else {
                    throw HTTPAbort(.contentTooLarge, "the part \"\(name)\" is longer than \(limit) bytes")
                }
                all.append(contentsOf: piece)
            }
            return all
        }
    }
}
