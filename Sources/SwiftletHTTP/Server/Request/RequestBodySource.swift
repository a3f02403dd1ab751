import HTTPTypes
import Swiftlet
import SwiftletNet

/// Takes a request's body from its connection while the handler asks for it.
///
/// States: waiting for `100 Continue` to be said -> being read -> at its end | failed; closed when the request has been
/// answered.
///
/// Thread rules: used by one reader at a time; the connection's fiber uses it before and after the handler only.
final class RequestBodySource {
    /// What a client must get across within one time limit. A byte now and then is no progress.
    private static let progress = 1024
    /// Of a body that nobody read, so much is read and dropped to keep the connection.
    private static let drainedSize = 64 * 1024

    private let stream: any ByteStream
    private let input: InputBuffer
    private let timeout: Duration
    /// The announced length.
    let length: Int?
    private let framing: BodyFraming
    private let limits: HTTPLimits
    /// Made when reading begins: only then is it known whether the handler streams.
    private var decoder: BodyDecoder?
    private var mustSayContinue: Bool
    private var isAtEnd = false
    private var isClosed = false
    private var received = 0
    private var sinceDeadline = 0
    private var deadline: Deadline?
    /// Why nothing more can be read: the connection cannot be used any further.
    private(set) var failure: (any Error)?

    init(_ head: RequestHead, limits: HTTPLimits, timeout: Duration, stream: any ByteStream, input: InputBuffer) {
        self.stream = stream
        self.input = input
        self.timeout = timeout
        mustSayContinue = head.expectsContinue
        if case .length(let length) = head.framing { self.length = length } else { length = nil }
        framing = head.framing
        self.limits = limits
    }

    /// The next piece; `nil` at the end.
    ///
    /// - Throws: `HTTPParseError`; `HTTPAbort` with 408 when the client is too slow; `SocketError`; `CancellationError`.
    func next() throws -> [UInt8]? {
        guard !isClosed else { throw HTTPRequestOver() }
        if let failure { throw failure }
        if isAtEnd { return nil }
        do {
            // A handler that streams has its own idea of how much is too much.
            if decoder == nil { try begin(limit: nil) }
            try sayContinue()
            while true {
                if let piece = try nextBuffered() { return piece }
                if isAtEnd { return nil }
                try fill()
            }
        } catch {
            throw fail(error)
        }
    }

    /// The whole rest.
    func all(limit: Int?) throws -> [UInt8] {
        // Refused by what is announced, of the body or of a chunk, before any of it is read.
        if decoder == nil, failure == nil, !isClosed {
            do { try begin(limit: limit) } catch { throw fail(error) }
        }
        var body: [UInt8] = []
        // A promise costs its sender nothing, so no more than a megabyte is taken for it beforehand.
        if let length { body.reserveCapacity(min(length, 1 << 20)) }
        while let piece = try next() {
            if let limit, body.count + piece.count > limit {
                throw fail(HTTPAbort(.contentTooLarge, "the body is longer than \(limit) bytes"))
            }
            if piece.count == length { return piece }
            body.append(contentsOf: piece)
        }
        return body
    }

    private func begin(limit: Int?) throws(HTTPParseError) {
        var limits = limits
        limits.bodyLength = limit
        decoder = try BodyDecoder(framing: framing, limits: limits)
    }

    private func fail(_ error: any Error) -> any Error {
        failure = error
        return error
    }

    private func sayContinue() throws {
        guard mustSayContinue else { return }
        mustSayContinue = false
        // RFC 9110, 10.1.1: not when a part of the body is there already.
        if input.isEmpty { try stream.write("HTTP/1.1 100 Continue\r\n\r\n") }
    }

    /// A piece of what has come already.
    private func nextBuffered() throws -> [UInt8]? {
        let bytes = input.bytes
        switch try decoder!.next(in: bytes.span) {
        case .data(let range):
            let piece = Array(bytes[range])
            input.consume(range.upperBound)
            received += piece.count
            return piece
        case .incomplete(let consumed): input.consume(consumed)
        case .end(let consumed):
            input.consume(consumed)
            isAtEnd = true
        }
        return nil
    }

    private func fill() throws {
        let limit = deadline ?? .after(timeout)
        deadline = limit
        do {
            let count = try input.fill(from: stream, until: limit)
            if count == 0 { try decoder!.finish() }
            sinceDeadline += count
            if sinceDeadline >= Self.progress { (deadline, sinceDeadline) = (nil, 0) }
        } catch let error as SocketError where error.reason == .timedOut {
            throw HTTPAbort(.requestTimeout, "the body did not come in time")
        }
    }

    // MARK: After the handler

    /// The handler is over: what it has kept of the body reads nothing more.
    ///
    /// - Returns: whether the connection can carry another request after `drain`.
    func close() -> Bool {
        isClosed = true
        guard failure == nil else { return false }
        // Whoever waits to be told that it may send the body gets the answer instead, and may or may not send it.
        if mustSayContinue { return isAtEnd }
        do {
            if decoder == nil { try begin(limit: nil) }
            while try !isAtEnd && nextBuffered() != nil {}
        } catch {
            failure = error
            return false
        }
        if isAtEnd { return true }
        guard let length else { return false }
        return length - received <= Self.drainedSize
    }

    /// Reads and drops the rest of a body that nobody wanted.
    ///
    /// - Returns: whether it came.
    func drain() throws -> Bool {
        do {
            while !isAtEnd {
                if try nextBuffered() == nil, !isAtEnd { try fill() }
            }
            return true
        } catch  where error is HTTPParseError || error is HTTPAbort {
            // It has been answered already.
            return false
        }
    }
}

/// Something of a request was read after it had been answered.
public struct HTTPRequestOver: Error, CustomStringConvertible {
    public var description: String {
        "the request has been answered: read its body in the handler, or in the closure that streams the answer"
    }
}
