import CCurl
import DriverServers
import Glibc
import Swiftlet
import SwiftletInterpose
import Testing

/// One transfer of plain libcurl.
func fetchText(_ url: String) throws -> String {
    let handle = curl_easy_init()!
    defer { curl_easy_cleanup(handle) }
    var text = curl_text()
    _ = curl_set_text(handle, CURLOPT_URL, url)
    _ = curl_set_number(handle, CURLOPT_NOSIGNAL, 1)
    let status = withUnsafeMutablePointer(to: &text) { text in
        _ = curl_keep_in(handle, text)
        return curl_easy_perform(handle)
    }
    guard status == CURLE_OK else { throw DriverError(description: String(cString: curl_easy_strerror(status))) }
    return withUnsafeBytes(of: text.bytes) { String(decoding: $0.prefix(text.count), as: UTF8.self) }
}

/// Answers how many bytes came.
private func fetch(_ url: String) throws -> Int { try fetchText(url).utf8.count }

/// A server made of libc's blocking calls: a fiber a connection, and 0.2 s an answer.
private func serveSlowly(_ listener: CInt) {
    while true {
        let connection = accept(listener, nil, nil)
        if connection < 0 { return }
        spawn {
            defer { close(connection) }
            var request = [UInt8](repeating: 0, count: 4096)
            guard recv(connection, &request, request.count, 0) > 0 else { return }
            usleep(200_000)
            let answer = "HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nHello!"
            send(connection, answer, answer.utf8.count, CInt(MSG_NOSIGNAL))
        }
    }
}

private func makeListener() -> (CInt, Int) {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(listener, $0, size)
            getsockname(listener, $0, &size)
        }
    }
    listen(listener, 1024)
    return (listener, Int(UInt16(bigEndian: address.sin_port)))
}

extension DriverTests {
    @Test func twoHundredTransfersOfLibcurlTakeTheTimeOfOne() throws {
        _ = report
        curl_global_init(3)  // CURL_GLOBAL_DEFAULT
        try EventLoop.run(takesOver: false) {
            let (listener, port) = makeListener()
            let server = spawn { serveSlowly(listener) }
            let time = try inFibers(
                (0..<200).map { _ in { () throws -> Void in #expect(try fetch("http://127.0.0.1:\(port)/") == 6) } })
            print("libcurl: 200 transfers of 0.2 s:", time)
            #expect(time < .milliseconds(350))
            let proxy = try Server.nginx(before: port)
            let proxied = try inFibers(
                (0..<200).map { _ in { () throws -> Void in #expect(try fetch("http://127.0.0.1:\(proxy.port)/") == 6) }
                })
            print("libcurl: the same through nginx:", proxied)
            #expect(proxied < .milliseconds(700))
            #expect(try fetch("http://localhost:\(proxy.port)/quick") == 5)
            server.cancel()
            try server.join()
            close(listener)
        }
    }
}
