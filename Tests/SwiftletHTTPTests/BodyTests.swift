import HTTPTypes
import SwiftletHTTP
import Testing

@Suite("Bodies")
struct BodyTests {
    @Test("Chunks are put together, and what follows is left over")
    func chunks() throws {
        let body = try decodeChunked("5\r\nhello\r\n7;a=b\r\n, world\r\n0\r\n\r\nGET ")
        #expect(body.isComplete)
        #expect(body.text == "hello, world")
        #expect(body.trailers.isEmpty)
        #expect(body.leftOver == Array("GET ".utf8))
    }

    @Test("Data may hold anything, line endings too")
    func data() throws {
        #expect(try decodeChunked("A\r\n\r\n0\r\n\r\n\0\r\n\r\n0\r\n\r\n").text == "\r\n0\r\n\r\n\0\r\n")
    }

    @Test(
        "Accepted size lines",
        arguments: [
            "5", "05", "0000000000000000000000005", "5;a", "5;a=b", "5;a=\"b c\\\"d\"", "5 ; a = b", "5;a;b;c=d",
            "5\t;a",
            "5;a ;b", "5;a=\"\"", "5;a=\"é\"",
        ])
    func sizeLines(_ line: String) throws {
        let body = try decodeChunked("\(line)\r\nhello\r\n0\r\n\r\n")
        #expect(body.isComplete)
        #expect(body.text == "hello")
    }

    @Test(
        "Refused size lines",
        arguments: [
            ("", .invalidChunk), (" 5", .invalidChunk), ("5 ", .invalidChunk), ("+5", .invalidChunk),
            ("-5", .invalidChunk), ("0x5", .invalidChunk), ("g", .invalidChunk), ("5,5", .invalidChunk),
            ("5 5", .invalidChunk), ("5;", .invalidChunk), ("5;;a", .invalidChunk), ("5;=a", .invalidChunk),
            ("5;a=", .invalidChunk), ("5;a=\"", .invalidChunk), ("5;a=\"b\\\"", .invalidChunk),
            ("5;a=\"b\"c", .invalidChunk), ("5;a=b c", .invalidChunk), ("5;a\0", .invalidChunk),
            ("5;a=\"\u{1}\"", .invalidChunk), ("5;a ", .invalidChunk), ("5;a\rb", .invalidChunk), ("٥", .invalidChunk),
            ("8000000000000000", .bodyTooLong), ("10000000000000000", .bodyTooLong),
            ("fffffffffffffffffffffff5", .bodyTooLong),
        ] as [(String, HTTPParseError.Code)])
    func refusedSizeLines(_ line: String, _ code: HTTPParseError.Code) {
        #expect(chunkedFault("\(line)\r\nhello\r\n0\r\n\r\n") == code)
    }

    @Test(
        "Line endings are strict",
        arguments: [
            "5\nhello\r\n0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\rx", "0\n\n",
            "0\r\n\n",
        ])
    func lineEndings(_ text: String) {
        #expect(chunkedFault(text) == .invalidLineEnding)
    }

    @Test("The sum of the sizes cannot overflow")
    func overflow() {
        #expect(chunkedFault("7fffffffffffffff\r\n") == nil)
        #expect(chunkedFault("1\r\nx\r\n7fffffffffffffff\r\n") == .bodyTooLong)
    }

    @Test("Trailers")
    func trailers() throws {
        let body = try decodeChunked("0\r\nDigest: abc\r\nX-A:  b \r\n\r\n")
        #expect(body.trailers == [HTTPField.Name("digest")!: "abc", HTTPField.Name("x-a")!: "b"])
        #expect(chunkedFault("0\r\nA : b\r\n\r\n") == .invalidFieldName)
        #expect(chunkedFault("0\r\nA: b\r\n c\r\n\r\n") == .foldedFieldLine)
        #expect(chunkedFault("0\r\nA: b\0\r\n\r\n") == .invalidFieldValue)
        #expect(chunkedFault("0\r\nA: b\n\r\n") == .invalidLineEnding)
    }

    @Test(
        "What decides about framing cannot trail",
        arguments: ["Content-Length", "transfer-encoding", "Host", "Trailer"])
    func forbiddenTrailers(_ name: String) {
        #expect(chunkedFault("0\r\n\(name): 5\r\n\r\n") == .invalidTrailer)
    }

    @Test("A body of known length")
    func length() throws {
        let body = try decodeBody([[1, 2], [3], [4, 5, 6]], framing: .length(5))
        #expect(body.data == [1, 2, 3, 4, 5])
        #expect(body.isComplete)
        #expect(body.leftOver == [6])
        #expect(try decodeBody([[1]], framing: .none) == DecodedBody(isComplete: true, leftOver: [1]))
        #expect(try decodeBody([[1]], framing: .length(0)) == DecodedBody(isComplete: true, leftOver: [1]))
    }

    @Test("The end of the stream ends only a body that has no other end")
    func finish() throws {
        var untilClose = try BodyDecoder(framing: .untilClose)
        #expect(try untilClose.next(in: [1, 2]) == .data(0..<2))
        #expect(try untilClose.next(in: []) == .incomplete(consumed: 0))
        try untilClose.finish()
        #expect(try untilClose.next(in: []) == .end(consumed: 0))

        var length = try BodyDecoder(framing: .length(2))
        #expect(try length.next(in: [1]) == .data(0..<1))
        #expect(throws: HTTPParseError.self) { try length.finish() }
        #expect(try length.next(in: [1]) == .data(0..<1))
        try length.finish()

        var chunked = try BodyDecoder(framing: .chunked)
        let text = Array("1\r\nx\r\n0\r\n".utf8)
        #expect(try chunked.next(in: text) == .data(3..<4))
        #expect(try chunked.next(in: text[4...]) == .incomplete(consumed: 5))
        #expect(throws: HTTPParseError.self) { try chunked.finish() }
        #expect(try chunked.next(in: Array("\r\n".utf8)) == .end(consumed: 2))
        try chunked.finish()
    }
}
