import HTTPTypes
import Swiftlet

/// Makes connections: looks up the host, connects, asks a proxy for a tunnel, secures the stream.
struct Connector {
    enum Step {
        case resolving(host: String)
        case resolved([SocketAddress])
        case connecting
        case connected(SocketAddress)
        case tunnelling
        case tlsStarted
        case tlsDone

        var event: HTTPClientEvent.Step? {
            switch self {
            case .resolving(let host): .resolving(host: host)
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
    let configuration: HTTPClient.Configuration
    let deadline: Deadline?

    /// Opens a stream to where the key leads.
    func open(_ notify: (Step) -> Void) throws -> any ByteStream {
        // Before anything is looked up: without TLS nobody is to learn where the request would have gone.
        guard key.scheme == .http else { throw HTTPRequestFault.needsTLS }
        return try connect(to: key.host, port: key.port, notify)
    }

    private func connect(to host: String, port: Int, _ notify: (Step) -> Void) throws -> any ByteStream {
        notify(.resolving(host: host))
        let addresses = try Resolver.addresses(of: host, port: port, until: deadline)
        notify(.resolved(addresses))
        notify(.connecting)
        let name = addresses.first?.host == host ? nil : host
        let connection = try TCPConnection.connect(to: addresses, of: name, until: deadline)
        notify(.connected(connection.remoteAddress))
        return connection
    }
}
