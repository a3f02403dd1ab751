/// What a connection leads to. Requests with the same key may follow each other on one.
struct ConnectionKey: Hashable {
    var scheme: HTTPURL.Scheme
    var host: String
    var port: Int
    /// The proxy in between. Over http it is the one who is connected to, for whatever host.
    var proxy: HTTPProxy?

    init(_ url: HTTPURL, proxy: HTTPProxy? = nil) {
        scheme = url.scheme
        self.proxy = proxy
        if let proxy, url.scheme == .http {
            (host, port) = (proxy.url.host, proxy.url.port)
        } else {
            (host, port) = (url.host, url.port)
        }
    }
}
