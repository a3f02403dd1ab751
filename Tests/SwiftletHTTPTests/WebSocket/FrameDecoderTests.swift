import SwiftletHTTP
import SwiftletTesting
import Testing

@Suite("WebSocket frames")
struct FrameDecoderTests {
    /// Everything that came out of a decoder.
    private enum Item: Hashable {
        case message(WebSocket.Kind, [UInt8])
        case control(FrameDecoder.Event)
    }

    /// Decodes bytes that arrive in pieces.
    private func decode(
        _ pieces: [[UInt8]], isServer: Bool = true, limit: Int? = nil, frameLimit: Int? = nil,
        deflate: PermessageDeflate? = nil
    ) throws -> [Item] {
        var decoder = try FrameDecoder(isServer: isServer, frameLimit: frameLimit, deflate: deflate)
        var (buffer, payload, items): ([UInt8], [UInt8], [Item]) = ([], [], [])
        for piece in pieces {
            buffer += piece
            while true {
                let (consumed, event) = try buffer.withUnsafeBufferPointer { bytes throws(WebSocketError) in
                    try decoder.next(in: bytes, into: &payload, limit: limit)
                }
                buffer.removeFirst(consumed)
                switch event {
                case .incomplete: break
                case .part: continue
                case .end(let kind):
                    items.append(.message(kind, payload))
                    payload = []
                    continue
                default:
                    items.append(.control(event))
                    continue
                }
                break
            }
        }
        return items
    }

    private func fault(
        _ bytes: [UInt8], isServer: Bool = true, limit: Int? = nil, frameLimit: Int? = nil,
        deflate: PermessageDeflate? = nil
    ) -> WebSocket.CloseCode? {
        do {
            _ = try decode([bytes], isServer: isServer, limit: limit, frameLimit: frameLimit, deflate: deflate)
            return nil
        } catch WebSocketError.violation(let code, _) {
            return code
        } catch {
            Issue.record(error)
            return nil
        }
    }

    private func text(_ text: String) -> Item { .message(.text, Array(text.utf8)) }

    @Test("The examples of RFC 6455, 5.7")
    func examples() throws {
        #expect(try decode([[0x81, 0x05, 0x48, 0x65, 0x6C, 0x6C, 0x6F]], isServer: false) == [text("Hello")])
        #expect(
            try decode([[0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]]) == [text("Hello")])
        #expect(
            try decode([[0x01, 0x03, 0x48, 0x65, 0x6C, 0x80, 0x02, 0x6C, 0x6F]], isServer: false) == [text("Hello")])
        #expect(
            try decode([[0x8A, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58]])
                == [.control(.pong(Array("Hello".utf8)))])
        let long = [UInt8](repeating: 7, count: 65536)
        #expect(
            try decode([[0x82, 0x7F, 0, 0, 0, 0, 0, 1, 0, 0] + long], isServer: false) == [.message(.binary, long)])
    }

    @Test("Messages, fragments and control frames between them, however the bytes are cut")
    func cuts() throws {
        let bytes =
            frame(0x01, Array("Grü".utf8.dropLast())) + frame(0x89, [1, 2]) + frame(0x00, [0xBC]) + frame(0x8A, [])
            + frame(0x80, Array("ße".utf8)) + frame(0x82, []) + frame(0x82, [UInt8](repeating: 9, count: 300))
            + frame(0x88, [0x03, 0xE8] + Array("bye".utf8))
        let expected: [Item] = [
            .control(.ping([1, 2])), .control(.pong([])), text("Grüße"), .message(.binary, []),
            .message(.binary, [UInt8](repeating: 9, count: 300)), .control(.close(.normal, reason: "bye")),
        ]
        #expect(try decode([bytes]) == expected)
        #expect(try decode(bytes.map { [$0] }) == expected)
        for cut in 0...bytes.count {
            #expect(try decode([Array(bytes[..<cut]), Array(bytes[cut...])]) == expected, "cut at \(cut)")
        }
    }

    @Test("Masks are taken off at every length and wherever a frame is cut")
    func masks() throws {
        let key: [UInt8] = [0xA1, 0x02, 0xF3, 0x44]
        for length in Array(0...70) + [125] {
            let payload = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
            let bytes = [0x82, 0x80 | UInt8(length)] + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
            #expect(try decode([bytes]) == [.message(.binary, payload)])
            let cut = min(bytes.count, 6 + length / 3)
            #expect(try decode([Array(bytes[..<cut]), Array(bytes[cut...])]) == [.message(.binary, payload)])
        }
    }

    @Test("What breaks the rules is refused with the right code")
    func violations() {
        let refused: [(UInt16, [UInt8], String)] = [
            (1002, frame(0xC1, []), "RSV1 without compression"), (1002, frame(0xA1, []), "RSV2"),
            (1002, frame(0x91, []), "RSV3"), (1002, frame(0x83, []), "opcode 3"), (1002, frame(0x87, []), "opcode 7"),
            (1002, frame(0x8B, []), "opcode 11"), (1002, frame(0x8F, []), "opcode 15"),
            (1002, frame(0x09, []), "a fragmented ping"), (1002, frame(0x08, []), "a fragmented close"),
            (1002, frame(0x89, [UInt8](repeating: 0, count: 126)), "a long ping"),
            (1002, frame(0x80, []), "a continuation of nothing"), (1002, frame(0x00, []), "and a part of it"),
            (1002, frame(0x01, []) + frame(0x81, []), "a message within a message"),
            (1002, frame(0x81, [], masked: false), "no mask"), (1002, frame(0x88, [3]), "half a code"),
            (1002, frame(0x88, [0x03, 0xED]), "1005"), (1002, frame(0x88, [0x03, 0xEE]), "1006"),
            (1002, frame(0x88, [0x03, 0xEC]), "1004"), (1002, frame(0x88, [0x03, 0xF7]), "1015"),
            (1002, frame(0x88, [0x03, 0xE7]), "999"), (1002, frame(0x88, [0x0B, 0xB7]), "2999"),
            (1002, frame(0x88, [0x13, 0x88]), "5000"), (1007, frame(0x88, [0x03, 0xE8, 0xFF]), "a reason"),
            (1002, [0x82, 0xFE, 0, 125, 0, 0, 0, 0], "a length of 125 in two bytes"),
            (1002, [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0], "and of 65535 in eight"),
            (1002, [0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "the highest bit of a length"),
            (1007, frame(0x81, [0xC3]), "half a character"),
            (1007, frame(0x01, [0xC3]) + frame(0x80, [0x28]), "and no other"),
            (1007, frame(0x01, [0xFF]), "at once, though the message goes on"),
        ]
        for (code, bytes, about) in refused { #expect(fault(bytes)?.rawValue == code, "\(about)") }
        #expect(fault(frame(0x81, []), isServer: false)?.rawValue == 1002)
        for code in [1000, 1003, 1007, 1014, 3000, 4999] {
            #expect(fault(frame(0x88, [UInt8(code >> 8), UInt8(code & 0xFF)])) == nil)
        }
    }

    @Test("Limits are told by the header, before anything is kept")
    func limits() {
        let long: [UInt8] = [0x82, 0xFF, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0]
        #expect(fault(long) == nil)
        #expect(fault(long, limit: 1000) == .messageTooLong)
        #expect(fault(long, frameLimit: 1000) == .messageTooLong)
        let ten = [UInt8](repeating: 1, count: 10)
        #expect(fault(frame(0x02, ten) + frame(0x80, ten), limit: 20) == nil)
        #expect(fault(frame(0x02, ten) + frame(0x80, ten), limit: 19) == .messageTooLong)
        #expect(fault(frame(0x02, ten) + frame(0x80, ten), frameLimit: 10) == nil)
    }

    @Test("UTF-8 is judged as the standard library does, and piece by piece")
    func utf8() throws {
        var random = SeededRandom(seed: 3)
        let interesting: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0,
            0xF1, 0xF3, 0xF4, 0xF5, 0xFF,
        ]
        var valid = 0
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 1...5, using: &random)).map { _ in
                interesting.randomElement(using: &random)!
            }
            let isValid = String(validating: bytes, as: UTF8.self) != nil
            if isValid { valid += 1 }
            #expect((fault(frame(0x81, bytes)) == nil) == isValid, "\(bytes)")
            let fragments = bytes.dropLast().enumerated().flatMap { frame($0 == 0 ? 0x01 : 0x00, [$1]) }
            let last = frame(bytes.count == 1 ? 0x81 : 0x80, [bytes[bytes.count - 1]])
            #expect((fault(fragments + last) == nil) == isValid, "\(bytes) in fragments")
        }
        #expect(valid > 500)
    }

    #if Zlib
        private let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

        @Test("The examples of RFC 7692, 7.2.3")
        func compression() throws {
            let deflate = PermessageDeflate()
            #expect(try decode([frame(0xC1, hello)], deflate: deflate) == [text("Hello")])
            // In two fragments.
            #expect(
                try decode([frame(0x41, Array(hello[..<3])) + frame(0x80, Array(hello[3...]))], deflate: deflate)
                    == [text("Hello")])
            // The second refers to the first.
            let second: [UInt8] = [0xF2, 0x00, 0x11, 0x00, 0x00]
            #expect(
                try decode([frame(0xC1, hello) + frame(0xC1, second)], deflate: deflate) == [
                    text("Hello"), text("Hello"),
                ])
            var forgetful = deflate
            forgetful.client.forgetsContext = true
            #expect(fault(frame(0xC1, hello) + frame(0xC1, second), deflate: forgetful) == .invalidData)
            // Not compressed at all, as a stored block, with a final block, of two blocks.
            for payload: [UInt8] in [
                [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00],
                [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00],
                [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00],
            ] {
                #expect(try decode([frame(0xC1, payload)], deflate: deflate) == [text("Hello")])
                #expect(try decode(frame(0xC1, payload).map { [$0] }, deflate: deflate) == [text("Hello")])
            }
            // After a final block the window is still that of the connection.
            #expect(
                try decode(
                    [frame(0xC1, [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]) + frame(0xC1, second)],
                    deflate: deflate) == [text("Hello"), text("Hello")])
            #expect(try decode([frame(0x81, Array("Hello".utf8))], deflate: deflate) == [text("Hello")])
            #expect(fault(frame(0x41, hello) + frame(0xC0, []), deflate: deflate) == .protocolError)
            #expect(fault(frame(0xC9, []), deflate: deflate) == .protocolError)
            #expect(fault(frame(0xC1, [0xFF, 0xFF, 0xFF]), deflate: deflate) == .invalidData)
        }

        @Test("A compressed message may not become longer than the limit")
        func bomb() throws {
            let compressor = try Compressor(.deflate)
            var coded: [UInt8] = []
            try compressor.encode([UInt8](repeating: 0x61, count: 10_000_000), into: &coded, flushes: true)
            let payload = Array(coded.dropFirst(2).dropLast(4))  // without zlib's wrapper and the end of the flush
            #expect(fault(frame(0xC1, payload), limit: 9_999_999, deflate: PermessageDeflate()) == .messageTooLong)
            #expect(fault(frame(0xC1, payload), limit: 10_000_000, deflate: PermessageDeflate()) == nil)
        }
    #endif
}
