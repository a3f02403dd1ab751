import Swiftlet
import SwiftletNet

extension HTTPClient.Configuration {
    /// Secures a connection if the scheme is https. If that fails, the connection is closed.
    ///
    /// - Throws: `TLSError`; `SocketError`; `CancellationError`; `HTTPRequestFault.needsTLS` if TLS is not built in.
    func secured(
        _ connection: any ByteStream, for url: HTTPURL, until deadline: Deadline?
    ) throws -> any ByteStream {
        guard url.scheme == .https else { return connection }
        #if TLS
            return try TLSStream.client(over: connection, serverName: url.host, configuration: tls, until: deadline)
        #else
            connection.close()
            throw HTTPRequestFault.needsTLS
        #endif
    }
}

extension HTTPRequestFault {
    /// - Throws: `needsTLS` for https if TLS is not built in, before anybody learns where the request would have gone.
    static func checkScheme(of url: HTTPURL) throws {
        #if !TLS
            if url.scheme == .https { throw needsTLS }
        #endif
    }
}

/// The other side has gone, or the connection to it broke.
func isDisconnection(_ error: any Error) -> Bool {
    #if TLS
        if let error = error as? TLSError { return error.isDisconnection }
    #endif
    return (error as? SocketError)?.isDisconnection ?? false
}
