import Swiftlet
import TestSupport
import Testing

/// A client that trusts the tests' authority.
func clientConfiguration(_ change: (inout TLSClientConfiguration) -> Void = { _ in }) -> TLSClientConfiguration {
    var configuration = TLSClientConfiguration()
    configuration.trustRoots = .file(Certificates.file("authority.pem"))
    change(&configuration)
    return configuration
}

func identity(_ name: String) throws -> TLSIdentity {
    try TLSIdentity(
        certificateFile: Certificates.file("\(name).pem"), privateKeyFile: Certificates.file("\(name).key"))
}

func serverConfiguration(
    _ name: String = "server", _ change: (inout TLSServerConfiguration) throws -> Void = { _ in }
) throws -> TLSServerConfiguration {
    var configuration = TLSServerConfiguration(identity: try identity(name))
    try change(&configuration)
    return configuration
}

/// Both ends of TLS over a pair of streams; what either side throws is the outcome.
struct Handshake {
    let client: Result<TLSStream, any Error>
    let server: Result<TLSStream, any Error>

    init(
        _ client: TLSClientConfiguration, _ server: TLSServerConfiguration, serverName: String = "localhost",
        over pair: (client: any ByteStream, server: any ByteStream)? = nil
    ) throws {
        let (clientEnd, serverEnd) = try pair ?? makePair()
        let accepting = spawn { try TLSStream.server(over: serverEnd, configuration: server, until: limit()) }
        self.client = Result {
            try TLSStream.client(over: clientEnd, serverName: serverName, configuration: client, until: limit())
        }
        self.server = Result { try accepting.get() }
    }

    func get() throws -> (client: TLSStream, server: TLSStream) { (try client.get(), try server.get()) }

    func clientFailure<Failure: Error>(_ type: Failure.Type = TLSError.self) throws -> Failure {
        try failure(type) { try client.get() }
    }

    func serverFailure<Failure: Error>(_ type: Failure.Type = TLSError.self) throws -> Failure {
        try failure(type) { try server.get() }
    }
}

/// Longer than anything takes on a loaded machine; a test that hangs ends by it.
func limit() -> Deadline { .after(.seconds(30)) }

/// What is wrong with a certificate, if that is the error.
func problemKind(of error: TLSError) -> TLSCertificateProblem.Kind? {
    if case .certificate(let problem) = error.reason { problem.kind } else { nil }
}
