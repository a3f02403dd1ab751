import CSwiftletNATS
import Glibc
import SwiftletPool

/// A message that came. Its texts and bytes are those of libnats, and good as long as it lives.
final class IncomingMessage: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer

    init(owning handle: UnsafeMutableRawPointer) { self.handle = handle }

    deinit { swiftlet_nats_drop(handle) }

    var subject: String { swiftlet_nats_subject(handle).map { String(cString: $0) } ?? "" }
    /// Where an answer goes; empty if none is wanted.
    var reply: String { swiftlet_nats_reply(handle).map { String(cString: $0) } ?? "" }

    var bytes: UnsafeRawBufferPointer {
        var size = 0
        let start = swiftlet_nats_bytes(handle, &size)
        return UnsafeRawBufferPointer(start: start, count: size)
    }

    func header(_ name: String) -> String? { swiftlet_nats_header_of(handle, name).map { String(cString: $0) } }

    /// The number that the subject of an answer to us ends in.
    var replyNumber: UInt64? {
        guard let start = swiftlet_nats_subject(handle), let dot = strrchr(start, CInt(UInt8(ascii: "."))) else {
            return nil
        }
        var number: UInt64 = 0
        var digit = dot + 1
        while digit.pointee != 0 {
            guard let value = UInt8(exactly: digit.pointee - 48), value < 10 else { return nil }
            number = number &* 10 &+ UInt64(value)
            digit += 1
        }
        return number
    }

    /// The subject behind its third dot: the key of a job or a result.
    var key: String? {
        guard var place = swiftlet_nats_subject(handle) else { return nil }
        for _ in 0..<3 {
            guard let dot = strchr(place, CInt(UInt8(ascii: "."))) else { return nil }
            place = UnsafePointer(dot) + 1
        }
        return String(cString: place)
    }

    /// Where it comes from, if a consumer has delivered it.
    var delivery: Delivery? {
        swiftlet_nats_reply(handle).flatMap { Delivery(UnsafeRawPointer($0), length: strlen($0)) }
    }

    /// What a server says instead of an answer, such as 503: nobody is there who could give one.
    var status: Int? {
        guard bytes.isEmpty else { return nil }
        return header("Status").flatMap { Int($0) }
    }
}

/// A message to be sent.
struct OutgoingMessage: Sendable {
    var subject: String
    var reply: String?
    var headers: [(name: String, value: String)] = []
    var payload: Payload?

    init(_ subject: String, reply: String? = nil, headers: [(name: String, value: String)] = [], payload: Payload?) {
        self.subject = subject
        self.reply = reply
        self.headers = headers
        self.payload = payload
    }

    init(_ subject: String, reply: String? = nil, text: String) {
        var text = text
        self.init(subject, reply: reply, payload: text.withUTF8 { Payload(copying: UnsafeRawBufferPointer($0)) })
    }

    /// Hands it to libnats, which may wait for the network. What it refuses is lost, as what the network loses is: whoever
    /// wants an answer asks again.
    func send(over connection: OpaquePointer) {
        var headers: [swiftlet_nats_header] = []
        headers.reserveCapacity(self.headers.count)
        withHeaders(&headers, from: 0) { headers in
            let bytes = payload?.bytes
            _ = swiftlet_nats_send(
                connection, subject, reply, headers, CInt(headers.count), bytes?.baseAddress, bytes?.count ?? 0)
        }
    }

    private func withHeaders(
        _ done: inout [swiftlet_nats_header], from index: Int, _ body: ([swiftlet_nats_header]) -> Void
    ) {
        guard index < headers.count else { return body(done) }
        headers[index].name.withCString { name in
            headers[index].value.withCString { value in
                done.append(swiftlet_nats_header(name: name, value: value))
                withHeaders(&done, from: index + 1, body)
            }
        }
    }
}
