import HTTPTypes
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletHTTP

@Suite struct MediaTypeTests {
    @Test func parameters() {
        let type = MediaType(#"Text/HTML ; Charset="utf-\"8" ;a=b; empty ;a=c;;x="1;2,3""#)
        #expect(type.essence == "text/html")
        #expect(type.parameters == ["charset": "utf-\"8", "a": "b", "x": "1;2,3"])
        #expect(MediaType("application/problem+json; charset=x").isJSON && MediaType("text/json").isJSON)
        #expect(!MediaType("application/jsonp").isJSON && !MediaType("").isJSON)
        for odd in [";", "=", "a;=", "a;b=\"", "a;b=\"\\", "\u{0}", ";;;=;="] { _ = MediaType(odd) }
    }

    @Test func charsets() {
        func text(_ type: String?, _ bytes: [UInt8]) -> String { Charset(of: type).decode(bytes) }
        #expect(text(nil, [0xC3, 0xBC]) == "ü")
        #expect(text("text/plain; charset=ISO-8859-1", [0xFC]) == "ü")
        #expect(text("text/plain; charset=utf-16", [0xFE, 0xFF, 0, 0x61]) == "a")
        #expect(text("text/plain; charset=utf-16", [0xFF, 0xFE, 0x61, 0]) == "a")
        #expect(text("text/plain; charset=UTF-16LE", [0x61, 0, 0x62]) == "a")
        #expect(text("text/plain; charset=utf-16", []) == "")
        #expect(text("text/plain; charset=unknown", [0x61, 0xFF]) == "a\u{FFFD}")
    }

    @Test func links() async throws {
        try await onLoop {
            let server = try ScriptedServer()
            server.play([
                [
                    answer(
                        "",
                        fields: #"Link: </a?p=2>; rel="next", <http://b.test/>; title="a, b"; rel=last"# + "\r\n"
                            + "Link: <c>; rel=\"up start\"\r\nContent-Disposition: attachment; filename=\"x y.txt\"\r\n"
                    )
                ]
            ])
            try HTTPClient.with { client throws in
                let response = try client.get(server.url + "dir/page")
                #expect(response.links["next"]?.requestTarget == "/a?p=2")
                #expect(response.links["last"]?.description == "http://b.test/")
                #expect(response.links["up"]?.path == "/dir/c" && response.links["start"]?.path == "/dir/c")
                #expect(response.contentDisposition?.parameters["filename"] == "x y.txt")
                #expect(response.elapsed > .zero && response.elapsed < .seconds(60))
            }
        }
    }
}
