import SwiftletHTTP
import SwiftletTesting
import Testing

@Suite("Content codings")
struct CompressionTests {
    /// Decodes pieces that arrive one after the other.
    private func decode(
        _ pieces: [[UInt8]], _ coding: ContentCoding, _ limits: ExpansionLimits = ExpansionLimits()
    ) throws(CompressionError) -> [UInt8] {
        let decompressor = try Decompressor(coding, limits: limits)
        var output: [UInt8] = []
        for piece in pieces { try decompressor.decode(piece, into: &output) }
        try decompressor.finish()
        return output
    }

    private func fault(
        _ bytes: [UInt8], _ coding: ContentCoding, _ limits: ExpansionLimits = ExpansionLimits()
    ) -> CompressionError? {
        do throws(CompressionError) {
            _ = try decode([bytes], coding, limits)
            return nil
        } catch {
            return error
        }
    }

    private func encode(_ bytes: [UInt8], _ coding: ContentCoding, level: Int? = nil) throws -> [UInt8] {
        let compressor = try Compressor(coding, level: level)
        var output: [UInt8] = []
        try compressor.encode(bytes, into: &output)
        try compressor.finish(into: &output)
        return output
    }

    private func bytes(_ hexadecimal: String) -> [UInt8] {
        stride(from: 0, to: hexadecimal.count, by: 2).map { offset in
            UInt8(hexadecimal.dropFirst(offset).prefix(2), radix: 16)!
        }
    }

    /// Text with repetitions, none of them total.
    private var sample: [UInt8] {
        var random = SeededRandom(seed: 7)
        return (0..<6000).flatMap { _ in Array("word\(Int.random(in: 0..<500, using: &random)) ".utf8) }
    }

    private let hello = Array("hello, hello, hello".utf8)

    // Made by Python's gzip and zlib.
    private var gzipped: [UInt8] { bytes("1f8b0800000000000203cb48cdc9c9d751c840a2009fa1ca0913000000") }
    private var zlibbed: [UInt8] { bytes("789ccb48cdc9c9d751c840a200442806d5") }

    @Test("Every coding codes and decodes, however the data is cut", arguments: ContentCoding.supported)
    func roundTrip(_ coding: ContentCoding) throws {
        let coded = try encode(sample, coding)
        #expect(coded.count < sample.count / 2)
        #expect(try decode([coded], coding) == sample)
        #expect(try decode(coded.map { [$0] }, coding) == sample)
        #expect(try decode([Array(coded[..<100]), Array(coded[100...])], coding) == sample)
        #expect(try decode([try encode([], coding)], coding) == [])
        for level in [-5, 1, 9, 100] where coding != .brotli || level < 100 {
            #expect(try decode([try encode(hello, coding, level: level)], coding) == hello)
        }
    }

    @Test("A compressor that has finished is as new", arguments: ContentCoding.supported)
    func reuse(_ coding: ContentCoding) throws {
        let compressor = try Compressor(coding)
        for text in ["one", "two", ""] {
            var output: [UInt8] = []
            try compressor.encode(Array(text.utf8), into: &output)
            try compressor.finish(into: &output)
            #expect(try decode([output], coding) == Array(text.utf8))
        }
    }

    @Test("What was flushed can be decoded before the end", arguments: ContentCoding.supported)
    func flush(_ coding: ContentCoding) throws {
        let compressor = try Compressor(coding)
        let decompressor = try Decompressor(coding)
        for text in ["first event\n", "second event\n"] {
            var (coded, decoded): ([UInt8], [UInt8]) = ([], [])
            try compressor.encode(Array(text.utf8), into: &coded, flushes: true)
            try decompressor.decode(coded, into: &decoded)
            #expect(decoded == Array(text.utf8))
        }
        #expect(throws: CompressionError.truncated(coding)) { try decompressor.finish() }
    }

    @Test("Each truncation is an error", arguments: ContentCoding.supported)
    func truncation(_ coding: ContentCoding) throws {
        let coded = try encode(hello, coding)
        for count in 1..<coded.count {
            #expect(fault(Array(coded[..<count]), coding) == .truncated(coding), "after \(count) bytes")
        }
        // No body at all comes with HEAD and 304.
        #expect(fault([], coding) == nil)
    }

    @Test("Garbage is an error and never a crash", arguments: ContentCoding.supported)
    func garbage(_ coding: ContentCoding) throws {
        #expect(fault(Array("<html>this is not coded at all</html>".utf8), coding) != nil)
        var random = SeededRandom(seed: 11)
        let coded = try encode(sample, coding)
        var refused = 0
        for _ in 0..<200 {
            var damaged = coded
            damaged[Int.random(in: 0..<coded.count, using: &random)] ^= UInt8.random(in: 1...255, using: &random)
            if fault(damaged, coding) != nil { refused += 1 }
        }
        // Brotli has no checksum: what it decodes to is different, but not known to be.
        #expect(refused > (coding == .brotli ? 20 : 195))
    }

    #if Zlib
        @Test("Data of other programs")
        func foreign() throws {
            #expect(try decode([gzipped], .gzip) == hello)
            #expect(try decode([zlibbed], .deflate) == hello)
            // Without its wrapper: RFC 9110, 8.4.1.2.
            #expect(try decode([Array(zlibbed.dropFirst(2).dropLast(4))], .deflate) == hello)
            #expect(try decode(zlibbed.dropFirst(2).dropLast(4).map { [$0] }, .deflate) == hello)
            var damaged = zlibbed
            damaged[damaged.count - 1] ^= 1
            #expect(fault(damaged, .deflate) == .corrupt(.deflate))
        }

        @Test("Gzip members stand behind each other; other bytes do not")
        func members() throws {
            let one = try encode(hello, .gzip)
            #expect(try decode([one + one + one], .gzip) == hello + hello + hello)
            #expect(try decode((one + one).map { [$0] }, .gzip) == hello + hello)
            #expect(fault(one + [0], .gzip) == .truncated(.gzip))
            #expect(fault(one + Array("garbage".utf8), .gzip) == .corrupt(.gzip))
            #expect(fault(zlibbed + [0], .deflate) == .trailingBytes(.deflate))
        }
    #endif

    #if Zstd
        @Test("Zstandard frames stand behind each other")
        func frames() throws {
            let one = try encode(hello, .zstd)
            #expect(try decode([one + one], .zstd) == hello + hello)
        }
    #endif

    #if Brotli
        @Test("Brotli data has one end")
        func brotliEnd() throws {
            #expect(fault(try encode(hello, .brotli) + [0], .brotli) == .trailingBytes(.brotli))
        }
    #endif

    @Test(
        "A body that expands beyond the limits is refused before it fills the memory",
        arguments: ContentCoding.supported)
    func bomb(_ coding: ContentCoding) throws {
        let compressor = try Compressor(coding, level: 9)
        var coded: [UInt8] = []
        let zeros = [UInt8](repeating: 0, count: 1 << 20)
        for _ in 0..<40 { try compressor.encode(zeros, into: &coded) }
        try compressor.finish(into: &coded)
        #expect(fault(coded, coding) == .expandsTooMuch(limit: 250))
        #expect(fault(coded, coding, ExpansionLimits(length: 1 << 20)) == .tooLong(limit: 1 << 20))

        var limits = ExpansionLimits(length: 40 << 20)
        limits.ratio = nil
        #expect(try decode([coded], coding, limits).count == 40 << 20)

        // Refused as soon as the limit is passed, not when all is decoded.
        let decompressor = try Decompressor(coding, limits: ExpansionLimits(length: 100_000))
        var decoded: [UInt8] = []
        #expect(throws: CompressionError.tooLong(limit: 100_000)) { try decompressor.decode(coded, into: &decoded) }
        #expect(decoded.count < 100_000 + 70_000)
    }

    @Test("Decoding goes in steps as small as the caller likes", arguments: ContentCoding.supported)
    func steps(_ coding: ContentCoding) throws {
        let coded = try encode(sample, coding)
        let decompressor = try Decompressor(coding)
        var (decoded, rest, rounds): ([UInt8], [UInt8], Int) = ([], coded, 0)
        while true {
            var piece: [UInt8] = []
            let taken = try decompressor.decode(rest.span, into: &piece, upTo: 1000)
            #expect(piece.count <= 1000)
            decoded += piece
            rest.removeFirst(taken)
            rounds += 1
            if piece.count < 1000 && rest.isEmpty { break }
        }
        try decompressor.finish()
        #expect(decoded == sample)
        #expect(rounds >= sample.count / 1000)
    }

    @Test("Codings that are not there say how to get them")
    func unsupported() throws {
        let unknown = ContentCoding(named: "compress")
        #expect(throws: CompressionError.unsupported(unknown)) { _ = try Decompressor(unknown) }
        #expect(throws: CompressionError.unsupported(unknown)) { _ = try Compressor(unknown) }
        #expect("\(CompressionError.unsupported(.brotli))".contains("trait Brotli"))
        #expect(try decode([hello, hello], .identity) == hello + hello)
        #expect(try encode(hello, .identity) == hello)
        #expect(fault(hello, .identity, ExpansionLimits(length: 5)) == .tooLong(limit: 5))
    }

    @Test("Fields that name codings")
    func fields() {
        #expect(ContentCoding.list("gzip") == [.gzip])
        #expect(ContentCoding.list(" GZIP , identity,, br\t") == [.gzip, .brotli])
        #expect(ContentCoding.list("x-gzip") == [.gzip])
        #expect(ContentCoding.list("") == [])
    }

    @Test(
        "The server's choice follows the client's weights",
        arguments: [
            (nil, "identity"), ("", "identity"), ("gzip", "gzip"), ("deflate, gzip", "gzip"),
            ("gzip;q=0.5, deflate;q=0.8", "deflate"), ("gzip;q=0", "identity"), ("*", "gzip"),
            ("*;q=0.1, gzip;q=0", "deflate"),
            ("identity;q=1, gzip;q=0.5", "identity"), ("identity;q=0.5, gzip", "gzip"), ("br", "identity"),
            ("gzip;q=nonsense", "identity"), ("GZIP ; Q=0.001", "gzip"), ("gzip;q=1.0000", "identity"),
        ] as [(String?, String)])
    func negotiation(_ field: String?, _ expected: String) {
        #expect(ContentCoding.negotiated(accepting: field, from: [.gzip, .deflate]).name == expected)
    }
}
