import HTTPTypes
import Swiftlet

/// Sends a request that has a body, and looks out for a server that does not want it.
struct BodySender {
    let connection: ClientConnection
    let client: HTTPClient
    let deadline: Deadline?
    let notify: ((HTTPClientEvent.Step) -> Void)?

    /// Bodies are written in pieces of this size, so that a refusal is seen between them.
    private static let pieceSize = 256 * 1024

    /// Sends head and body.
    ///
    /// - Returns: whether all of it was sent, so that the connection can go on.
    func send(_ head: [UInt8], _ body: HTTPRequestBody, asksFirst: Bool) throws -> Bool {
        var rest = head
        if asksFirst {
            try connection.socket.write(head, until: deadline)
            notify?(.headSent)
            rest = []
            guard try isWanted() else { return false }
        }
        do {
            switch body.content {
            case .bytes(let bytes): try send(rest, bytes, headWasSent: asksFirst)
            case .stream(let length, _, let produce):
                if !asksFirst {
                    try connection.socket.write(head, until: deadline)
                    notify?(.headSent)
                }
                try send(length, produce)
            }
            notify?(.bodySent)
            return true
        } catch is RequestRefused {
            return false
        } catch  where isDisconnection(error) || (error as? SocketError)?.reason == .timedOut {
            // A server that has answered need not read on (RFC 9112, 9.3): its answer says more than the broken pipe.
            guard try hasAnswer() else { throw error }
            return false
        }
    }

    /// Waits for the server's consent: 100, or silence for `continueTimeout`. Anything else is its answer.
    private func isWanted() throws -> Bool {
        let patience = Deadline.after(client.configuration.continueTimeout)
        let limit = deadline.map { min($0, patience) } ?? patience
        do {
            while true {
                let head = try connection.readHead(limits: client.configuration.limits, until: limit)
                if head.status.code == 100 { return true }
                guard !head.isInterim else { continue }
                connection.earlyHead = head
                return false
            }
        } catch let error as SocketError where error.reason == .timedOut && patience <= .now {
            return true
        }
    }

    private func send(_ head: [UInt8], _ bytes: [UInt8], headWasSent: Bool) throws {
        var sent = 0
        repeat {
            let end = min(sent + Self.pieceSize, bytes.count)
            if sent > 0, try connection.isRefused(limits: client.configuration.limits, until: deadline) {
                throw RequestRefused()
            }
            if sent == 0, end == bytes.count {
                try connection.socket.write(head, bytes, until: deadline)
            } else {
                try connection.socket.write(sent == 0 ? head : [], Array(bytes[sent..<end]), until: deadline)
            }
            if sent == 0, !headWasSent { notify?(.headSent) }
            if end > sent { notify?(.bodyChunkSent(count: end - sent)) }
            sent = end
        } while sent < bytes.count
    }

    private func send(_ length: Int?, _ produce: (HTTPBodyWriter) throws -> Void) throws {
        let writer = HTTPBodyWriter(
            connection, length: length, limits: client.configuration.limits, until: deadline,
            notify: notify.map { notify in { notify(.bodyChunkSent(count: $0)) } })
        defer { writer.abandon() }
        do {
            try produce(writer)
            try writer.finish()
        } catch {
            // Whatever the producer makes of the error that it got: the server's refusal is the reason.
            if writer.isRefused { throw RequestRefused() }
            throw error
        }
    }

    private func hasAnswer() throws -> Bool {
        do {
            _ = try connection.isRefused(limits: client.configuration.limits, until: deadline)
        } catch let error where !(error is CancellationError) {
            return false
        }
        return connection.earlyHead != nil
    }
}
