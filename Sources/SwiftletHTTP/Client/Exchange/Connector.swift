import HTTPTypes
import Swiftlet
import SwiftletNet

/// Makes connections: looks up the host, connects, asks a proxy for a tunnel, secures the stream.
struct Connector {
    enum Step {
        case resolving(host: String)
        case remembered(host: String)
        case resolved([SocketAddress])
        case connecting
        case connected(SocketAddress)
        case tunnelling
        case tlsStarted
        case tlsDone

        var event: HTTPClientEvent.Step? {
            switch self {
            case .resolving(let host): .resolving(host: host)
            case .remembered(let host): .remembered(host: host)
            case .resolved(let addresses): .resolved(addresses)
            case .connecting: .connecting
            case .connected(let address): .connected(address)
            case .tunnelling: nil
            case .tlsStarted: .tlsStarted
            case .tlsDone: .tlsDone
            }
        }
    }

    let key: ConnectionKey
    let client: HTTPClient
    let deadline: Deadline?

    /// Opens a stream to where the key leads.
    func open(_ notify: (Step) -> Void) throws -> any ByteStream {
        guard key.scheme == .https else { return try connect(to: key.host, port: key.port, notify) }
        #if TLS
            let transport: any ByteStream
            if let proxy = key.proxy {
                transport = try connect(to: proxy.url.host, port: proxy.url.port, notify)
                notify(.tunnelling)
                do {
                    try tunnel(over: transport, proxy)
                } catch {
                    transport.close()
                    throw error
                }
            } else {
                transport = try connect(to: key.host, port: key.port, notify)
            }
            notify(.tlsStarted)
            let stream = try TLSStream.client(
                over: transport, serverName: key.host, configuration: client.configuration.tls, until: deadline)
            notify(.tlsDone)
            return stream
        #else
            // Before anything is looked up: without TLS nobody is to learn where the request would have gone.
            throw HTTPRequestFault.needsTLS
        #endif
    }

    private func connect(to host: String, port: Int, _ notify: (Step) -> Void) throws -> any ByteStream {
        if let stream = try connectOtherwise(to: host, port: port, notify) { return stream }
        let addresses = try addresses(of: host, port: port, notify)
        notify(.connecting)
        let connection = try TCPConnection.connect(
            to: addresses, of: addresses.first?.host == host ? nil : host, from: client.configuration.localHost,
            until: deadline)
        tell(notify, of: connection)
        return connection
    }

    // Out of line, for the stack of who waits for TCP to connect.

    @inline(never)
    private func tell(_ notify: (Step) -> Void, of stream: any ByteStream) { notify(.connected(stream.remoteAddress)) }

    /// Connects by other means than names and TCP, if the client has some.
    @inline(never)
    private func connectOtherwise(to host: String, port: Int, _ notify: (Step) -> Void) throws -> (any ByteStream)? {
        let stream: any ByteStream
        if let connect = client.configuration.connect {
            notify(.connecting)
            stream = try connect(host, port, deadline)
        } else if let path = client.configuration.unixSocket {
            notify(.connecting)
            stream = try UnixConnection.connect(to: path, timeout: deadline?.remaining)
        } else if let network = StreamNetwork.simulatedHost {
            notify(.connecting)
            stream = try network.connect(to: host, port: port, until: deadline)
        } else {
            return nil
        }
        tell(notify, of: stream)
        return stream
    }

    @inline(never)
    private func addresses(of host: String, port: Int, _ notify: (Step) -> Void) throws -> [SocketAddress] {
        let resolver = client.configuration.resolver
        notify(resolver.remembers(host) ? .remembered(host: host) : .resolving(host: host))
        let addresses = try resolver.addresses(of: host, port: port, until: deadline)
        notify(.resolved(addresses))
        return addresses
    }

    #if TLS
        /// Asks a proxy to let everything through (RFC 9110, 9.3.6).
        private func tunnel(over stream: any ByteStream, _ proxy: HTTPProxy) throws {
            let host = key.host.utf8.contains(.colon) ? "[\(key.host)]" : key.host
            let target = "\(host):\(key.port)"
            var head = "CONNECT \(target) HTTP/1.1\r\nHost: \(target)\r\n"
            if let authorization = proxy.authorization { head += "Proxy-Authorization: \(authorization)\r\n" }
            // HTTPTypes has made line endings blanks.
            for field in proxy.headers { head += "\(field.name): \(field.value)\r\n" }
            try stream.write(head + "\r\n", until: deadline)
            let connection = ClientConnection(stream)
            var answer = try connection.readHead(limits: client.configuration.limits, until: deadline)
            while answer.isInterim {
                answer = try connection.readHead(limits: client.configuration.limits, until: deadline)
            }
            guard answer.status.kind == .successful else {
                throw HTTPRequestFault.proxyRefused(status: answer.status.code)
            }
            // Nothing can have come from behind the tunnel before the client has spoken.
            guard connection.input.isEmpty else {
                throw HTTPParseError(.invalidStartLine, "the proxy sent more than its answer before TLS began")
            }
        }
    #endif
}
