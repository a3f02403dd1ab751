import SwiftletHTTP
import SwiftletTesting
import Testing

@Suite("URLs")
struct HTTPURLTests {
    @Test("The parts of a URL")
    func parts() throws {
        let url = try HTTPURL("HTTPS://user:p%40ss@Example.COM:8443/a/b?c=d&e#f")
        #expect(url.scheme == .https)
        #expect(url.host == "example.com")
        #expect(url.port == 8443)
        #expect(url.path == "/a/b")
        #expect(url.query == "c=d&e")
        #expect(url.fragment == "f")
        #expect(url.credentials?.user == "user")
        #expect(url.credentials?.password == "p@ss")
        #expect(url.authority == "example.com:8443")
        #expect(url.requestTarget == "/a/b?c=d&e")
        #expect(url.description == "https://example.com:8443/a/b?c=d&e#f")
    }

    @Test(
        "Normal forms",
        arguments: [
            ("http://a", "http://a/"),
            ("http://a/", "http://a/"),
            ("http://a?", "http://a/?"),
            ("http://a?q", "http://a/?q"),
            ("http://a#f", "http://a/#f"),
            ("http://a:80/", "http://a/"),
            ("http://a:443/", "http://a:443/"),
            ("https://a:443/", "https://a/"),
            ("http://a:/", "http://a/"),
            ("http://a:0080/", "http://a/"),
            (" \t\r\nhttp://a/b\r\n ", "http://a/b"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
            ("http://[::1]", "http://[::1]/"),
            ("http://[2001:DB8::1]:81/x", "http://[2001:db8::1]:81/x"),
            ("http://[::ffff:1.2.3.4]/", "http://[::ffff:1.2.3.4]/"),
            ("http://my_host-1.example./", "http://my_host-1.example./"),
            // Characters that may not stand there are escaped, escapes stay.
            ("http://a/b c", "http://a/b%20c"),
            ("http://a/é?ü=ß#ö", "http://a/%C3%A9?%C3%BC=%C3%9F#%C3%B6"),
            ("http://a/%41%zz%4", "http://a/%41%25zz%254"),
            ("http://a/%", "http://a/%25"),
            ("http://a/\"<>\\^`{|}", "http://a/%22%3C%3E%5C%5E%60%7B%7C%7D"),
            ("http://a/a[]=1?b[]=2", "http://a/a[]=1?b[]=2"),
            ("http://a/-._~!$&'()*+,;=:@/?-._~!$&'()*+,;=:@/?", "http://a/-._~!$&'()*+,;=:@/?-._~!$&'()*+,;=:@/?"),
            ("http://a/b\r\nX: y", "http://a/b%0D%0AX:%20y"),
            ("http://a/b?c\0", "http://a/b?c%00"),
            ("http://a/?q=a b+c", "http://a/?q=a%20b+c"),
            ("http://a/b#c#d", "http://a/b#c%23d"),
            ("http://a/\u{301}x?\u{301}y", "http://a/%CC%81x?%CC%81y"),
            // Dot segments go.
            ("http://a/b/./c/../d", "http://a/b/d"),
            ("http://a/..", "http://a/"),
            ("http://a/../../b", "http://a/b"),
            ("http://a/b/.", "http://a/b/"),
            ("http://a/b/..", "http://a/"),
            ("http://a//b//", "http://a//b//"),
            ("http://a/...", "http://a/..."),
            ("http://a/b?../c", "http://a/b?../c"),
        ])
    func normalForms(_ text: String, _ expected: String) throws {
        let url = try HTTPURL(text)
        #expect(url.description == expected)
        #expect(try HTTPURL(url.description) == url)
    }

    @Test(
        "Refused URLs",
        arguments: [
            ("", .missingScheme),
            ("example.com", .missingScheme),
            ("example.com/a:b", .missingScheme),
            ("localhost:8080/x", .missingScheme),
            ("//example.com/", .missingScheme),
            ("/path", .missingScheme),
            ("://a", .missingScheme),
            ("1http://a", .missingScheme),
            ("ftp://a/", .unsupportedScheme),
            ("file:///etc/passwd", .unsupportedScheme),
            ("mailto:a@b", .unsupportedScheme),
            ("javascript:alert(1)", .unsupportedScheme),
            ("ws://a", .unsupportedScheme),
            ("http:", .missingHost),
            ("http:a", .missingHost),
            ("http:/a", .missingHost),
            ("http://", .missingHost),
            ("http:///a", .missingHost),
            ("http://:80/", .missingHost),
            ("http://user@/", .missingHost),
            ("http://?q", .missingHost),
            ("http://a b/", .invalidHost),
            ("http://a\\b/", .invalidHost),
            ("http://a%41/", .invalidHost),
            ("http://a,b/", .invalidHost),
            ("http://a\tb/", .invalidHost),
            ("http://a\r\nb/", .invalidHost),
            ("http://bücher.example/", .invalidHost),
            ("http://::1/", .invalidPort),
            ("http://[::1/", .invalidHost),
            ("http://[::1]x/", .invalidHost),
            ("http://[]/", .invalidHost),
            ("http://[1]/", .invalidHost),
            ("http://[1:2:3:4:5:6:7:8:9]/", .invalidHost),
            ("http://[1:2:3:4:5:6:7::8]/", .invalidHost),
            ("http://[1:2:3:4:5:6:7:8", .invalidHost),
            ("http://[::12345]/", .invalidHost),
            ("http://[:::1]/", .invalidHost),
            ("http://[::1:]/", .invalidHost),
            ("http://[fe80::1%25eth0]/", .invalidHost),
            ("http://[::1.2.3.256]/", .invalidHost),
            ("http://[::1.2.3]/", .invalidHost),
            ("http://[::01.2.3.4]/", .invalidHost),
            ("http://a:0/", .invalidPort),
            ("http://a:65536/", .invalidPort),
            ("http://a:99999999999999999999/", .invalidPort),
            ("http://a:-1/", .invalidPort),
            ("http://a:b/", .invalidPort),
            ("http://a:8 0/", .invalidPort),
            ("http://a:80:80/", .invalidPort),
            ("http://a@b@c/", .invalidCredentials),
            ("http://evil.example\\@good.example/", .invalidCredentials),
            ("http://a b@c/", .invalidCredentials),
        ] as [(String, HTTPURLError.Code)])
    func refused(_ text: String, _ code: HTTPURLError.Code) {
        do throws(HTTPURLError) {
            let url = try HTTPURL(text)
            Issue.record("accepted as \(url)")
        } catch {
            #expect(error.code == code)
            #expect(!error.message.isEmpty)
        }
    }

    @Test(
        "Valid IPv6 addresses",
        arguments: ["1:2:3:4:5:6:7:8", "::", "1::", "1:2:3:4:5:6::", "::2:3:4:5:6:7:8", "1::8", "1:2:3:4:5:6:1.2.3.4"])
    func addresses(_ address: String) throws {
        #expect(try HTTPURL("http://[\(address)]/").host == address)
    }

    @Test("A user name alone, and odd ones")
    func credentials() throws {
        #expect(try HTTPURL("http://u@a/").credentials == HTTPURL("http://u:@a/").credentials)
        #expect(try HTTPURL("http://u:p:q@a/").credentials?.password == "p:q")
        #expect(try HTTPURL("http://%zz@a/").credentials?.user == "%zz")
        #expect(try HTTPURL("http://a/@b").credentials == nil)
        #expect(try !HTTPURL("http://u:secret@a/").description.contains("secret"))
    }

    @Test("Same origin")
    func origin() throws {
        let url = try HTTPURL("http://a/x")
        #expect(url.hasSameOrigin(as: try HTTPURL("http://u@A:80/y?z")))
        #expect(!url.hasSameOrigin(as: try HTTPURL("https://a/x")))
        #expect(!url.hasSameOrigin(as: try HTTPURL("http://a:81/x")))
        #expect(!url.hasSameOrigin(as: try HTTPURL("http://b/x")))
    }

    /// RFC 3986, 5.4, without the references that name another scheme.
    @Test(
        "References are resolved as in RFC 3986",
        arguments: [
            ("g", "http://a/b/c/g"), ("./g", "http://a/b/c/g"), ("g/", "http://a/b/c/g/"), ("/g", "http://a/g"),
            ("//g", "http://g/"), ("?y", "http://a/b/c/d;p?y"), ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q#s"), ("g#s", "http://a/b/c/g#s"), ("g?y#s", "http://a/b/c/g?y#s"),
            (";x", "http://a/b/c/;x"), ("g;x", "http://a/b/c/g;x"), ("g;x?y#s", "http://a/b/c/g;x?y#s"),
            ("", "http://a/b/c/d;p?q"), (".", "http://a/b/c/"), ("./", "http://a/b/c/"), ("..", "http://a/b/"),
            ("../", "http://a/b/"), ("../g", "http://a/b/g"), ("../..", "http://a/"), ("../../", "http://a/"),
            ("../../g", "http://a/g"), ("../../../g", "http://a/g"), ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"), ("/../g", "http://a/g"), ("g.", "http://a/b/c/g."), (".g", "http://a/b/c/.g"),
            ("g..", "http://a/b/c/g.."), ("..g", "http://a/b/c/..g"), ("./../g", "http://a/b/g"),
            ("./g/.", "http://a/b/c/g/"), ("g/./h", "http://a/b/c/g/h"), ("g/../h", "http://a/b/c/h"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"), ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("g?y/../x", "http://a/b/c/g?y/../x"), ("g#s/./x", "http://a/b/c/g#s/./x"),
            ("https://b:1/x y", "https://b:1/x%20y"), ("a:b/c", nil), ("http:g", nil), ("g:h", nil), ("//u:p@/", nil),
        ] as [(String, String?)])
    func resolving(_ reference: String, _ expected: String?) throws {
        let base = try HTTPURL("http://a/b/c/d;p?q")
        #expect((try? base.resolving(reference))?.description == expected)
    }

    @Test("Credentials follow a reference only to the same host")
    func resolvingCredentials() throws {
        let base = try HTTPURL("http://u:p@a/b#c")
        #expect(try base.resolving("d").credentials?.user == "u")
        #expect(try base.resolving("//e/").credentials == nil)
        #expect(try base.resolving("http://a/").credentials == nil)
        #expect(try base.resolving("").fragment == nil)
    }

    /// Most URLs take a short way through the parser. A blank in front leads past it, and changes nothing else.
    @Test func theShortWayEndsWhereTheLongOneDoes() {
        let parts = [
            "http://", "https://", "HTTP://", "a", "B", "example.com", ":", "80", "443", "8080", "0", "99999", "/",
            "//", ".",
            "..", "/./", "/../", "?", "#", "%", "%41", "ü", " ", "@", "[::1]", "x=y", "&", "~", "_", "-", "\"",
            "1.2.3.4",
        ]
        var generator = SeededRandom(seed: 11)
        var valid = 0
        for _ in 0..<20_000 {
            var text = Bool.random(using: &generator) ? "http://example.com" : "https://h"
            for _ in 0..<Int.random(in: 0..<6, using: &generator) {
                text += parts.randomElement(using: &generator) ?? ""
            }
            let short = Result { try HTTPURL(text) }
            let long = Result { try HTTPURL(" " + text) }
            switch (short, long) {
            case (.success(let short), .success(let long)):
                valid += 1
                #expect(short == long, "\(text)")
            case (.failure, .failure): break
            default: Issue.record("\(text): \(short) but \(long)")
            }
        }
        #expect(valid > 5000)
    }
}
