import HTTPTypes
import Swiftlet

// Reading the body of the answer: all of it, piece by piece, or away.
extension Exchange {
    var framing: BodyFraming { head?.framing(forRequestMethod: request.method) ?? .none }

    /// Reads all of the body and ends.
    func collect() throws -> [UInt8] {
        do {
            let body: [UInt8]
            switch framing {
            case .none: body = []
            case .length(let length) where head?.notes.contains(.contentEncoding) == false:
                body = try readBody(length: length)
            default: body = try readCodedBody()
            }
            end()
            return body
        } catch {
            throw fail(error)
        }
    }

    private func readBody(length: Int) throws -> [UInt8] {
        guard let connection else { throw HTTPRequestFault.responseIsClosed }
        if let limit = client.configuration.limits.bodyLength, length > limit {
            throw HTTPParseError(.bodyTooLong, "the body is longer than \(limit) bytes")
        }
        let input = connection.input
        // A promise costs its sender nothing, so no more than a megabyte is taken for it beforehand.
        var body: [UInt8] = []
        body.reserveCapacity(min(length, 1 << 20))
        while true {
            let count = min(length - body.count, input.bytes.count)
            body.append(contentsOf: input.bytes[..<count])
            input.consume(count)
            if count > 0 { notify(.bodyChunkReceived(count: count)) }
            guard body.count < length else { return body }
            if try input.fill(from: connection.socket, until: deadline) == 0 {
                throw HTTPParseError(.truncated, "the stream ended \(length - body.count) bytes before the body did")
            }
        }
    }

    private func readCodedBody() throws -> [UInt8] {
        var decompressor = try makeDecompressor(limit: client.configuration.limits.bodyLength)
        var body: [UInt8] = []
        while let range = try nextRange(until: deadline) {
            guard let connection else { throw HTTPRequestFault.responseIsClosed }
            if decompressor.isEmpty {
                body.append(contentsOf: connection.input.bytes[range])
            } else {
                decompressor.feed(Array(connection.input.bytes[range]))
                while case let more = try decompressor.decodeMore(), !more.isEmpty { body += more }
            }
            connection.input.consume(range.upperBound)
        }
        try decompressor.finish()
        return body
    }

    func makeDecompressor(limit: Int?) throws -> ContentDecoder {
        try ContentDecoder(head: head, isOn: client.configuration.decodesContent, limit: limit)
    }

    /// Where in the input the body's next bytes lie, or `nil` at its end. They must be consumed before the next call.
    private func nextRange(until deadline: Deadline?) throws -> Range<Int>? {
        guard let connection else { throw HTTPRequestFault.responseIsClosed }
        var decoder = try self.decoder ?? BodyDecoder(framing: framing, limits: bodyLimits)
        defer { self.decoder = decoder }
        while true {
            switch try decoder.next(in: connection.input.bytes.span) {
            case .data(let range):
                notify(.bodyChunkReceived(count: range.count))
                return range
            case .incomplete(let consumed):
                connection.input.consume(consumed)
                if try connection.input.fill(from: connection.socket, until: deadline) == 0 {
                    try decoder.finish()
                    return nil
                }
            case .end(let consumed):
                connection.input.consume(consumed)
                return nil
            }
        }
    }

    /// Who streams decides about lengths.
    private var bodyLimits: HTTPLimits {
        var limits = client.configuration.limits
        if isStreaming { limits.bodyLength = nil }
        return limits
    }

    /// The body's next bytes as they came, or `nil` at its end, which ends the exchange.
    func nextPiece() throws -> [UInt8]? {
        do {
            guard let range = try nextRange(until: nil), let connection else {
                end()
                return nil
            }
            let piece = Array(connection.input.bytes[range])
            connection.input.consume(range.upperBound)
            return piece
        } catch {
            throw fail(error)
        }
    }

    /// Ends before the body's end. Small rests that have come already are read, so that the connection can be kept.
    func release() {
        guard connection != nil else { return }
        do {
            try drain(limit: 64 * 1024)
        } catch {
            keepsAlive = false
        }
        end()
    }

    private func drain(limit: Int) throws {
        guard keepsAlive, let connection else { return }
        if case .length(let length) = framing, decoder == nil, length > limit {
            keepsAlive = false
            return
        }
        var decoder = try self.decoder ?? BodyDecoder(framing: framing, limits: bodyLimits)
        var count = 0
        while true {
            switch try decoder.next(in: connection.input.bytes.span) {
            case .data(let range):
                count += range.count
                connection.input.consume(range.upperBound)
            case .incomplete(let consumed):
                connection.input.consume(consumed)
                guard count < limit, connection.socket.hasInput,
                    try connection.input.fill(from: connection.socket, until: nil) > 0
                else {
                    keepsAlive = false
                    return
                }
            case .end(let consumed):
                connection.input.consume(consumed)
                return
            }
        }
    }
}
