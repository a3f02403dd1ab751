import CPostgres
import DriverServers
import Glibc
import Swiftlet
import SwiftletInterpose
import Testing

/// Servers are shared, and times are looked at: one test at a time.
@Suite(.serialized)
struct DriverTests {}

/// What all of them call libc by.
let report = patchAll()

/// Patches, and starts a server before the loop runs: an initializer of a global that parks would stop the fibers that read
/// the global meanwhile.
func prepare(_ server: Result<Server, any Error>) throws {
    _ = report
    _ = try server.get()
}

/// Runs the bodies side by side in fibers, and answers how long they took. Each must have parked.
func inFibers(_ bodies: [() throws -> Void]) throws -> Duration {
    let loop = try EventLoop.current
    let parks = loop.statistics.parks
    let time = try ContinuousClock().measure {
        let fibers = bodies.map { body in spawn { try body() } }
        try joinAll(fibers, rethrowing: true)
    }
    #expect(loop.statistics.parks - parks >= UInt64(bodies.count))
    return time
}

struct DriverError: Error, CustomStringConvertible {
    let description: String
}

/// A connection of plain libpq.
final class Postgres: @unchecked Sendable {
    enum Transport { case tcp, unix }

    static let server = Result { try Server.postgres() }

    private let connection: OpaquePointer

    init(through transport: Transport = .tcp) throws {
        let server = try Self.server.get()
        let host = transport == .tcp ? "hostaddr=127.0.0.1" : "host=\(server.folder)"
        connection = PQconnectdb("\(host) port=\(server.port) user=postgres dbname=postgres sslmode=disable")!
        guard PQstatus(connection) == CONNECTION_OK else {
            throw DriverError(description: String(cString: PQerrorMessage(connection)))
        }
    }

    deinit { PQfinish(connection) }

    func query(_ text: String) throws -> String {
        let result = PQexec(connection, text)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_TUPLES_OK else {
            throw DriverError(description: String(cString: PQerrorMessage(connection)))
        }
        return String(cString: PQgetvalue(result, 0, 0))
    }
}
