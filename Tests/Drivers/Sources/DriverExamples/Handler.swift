import CPostgres
import Glibc
import Swiftlet
import SwiftletHTTP

/// A server whose handlers are async functions, as with Vapor, and call a driver that blocks: plain libpq. Each handler is a
/// task on the loop, and waiting for the database parks that task only. `CONNECTIONS` says how many there are to the database.
///
///     PGHOST=… swift run DriverExamples handler     # Asking PostgreSQL for http://127.0.0.1:5003/
func serveQueries() throws {
    func number(_ name: String, default number: Int) -> Int {
        getenv(name).flatMap { Int(String(cString: $0)) } ?? number
    }
    try EventLoop.run {
        let database = try Database(connections: number("CONNECTIONS", default: 10))
        var configuration = HTTPServer.Configuration()
        configuration.port = number("PORT", default: 5003)
        let server = HTTPServer(configuration)
        server.get("/") { _ async throws in try await answer("SELECT version()", from: database) }
        server.get("/slow") { _ async throws in try await answer("SELECT 'slept' || pg_sleep(0.2)", from: database) }
        server.get("/parks") { _ async throws in HTTPServerResponse("\(try EventLoop.current.statistics.parks)") }
        try server.start()
        print("Asking PostgreSQL for http://127.0.0.1:\(server.port)/")
        try server.waitUntilStopped()
    }
}

/// An async function that knows nothing of fibers, and calls C.
private func answer(_ query: String, from database: Database) async throws -> HTTPServerResponse {
    let connection = try await database.idle.get()
    let text = Result { try connection.ask(query) }
    try database.giveBack(connection)
    return HTTPServerResponse(try text.get(), contentType: "text/plain; charset=utf-8")
}

/// Connections, each used by one task at a time.
private final class Database: Sendable {
    struct Connection: @unchecked Sendable {
        let handle: OpaquePointer

        /// Blocks, in C; parks, on a loop.
        func ask(_ query: String) throws -> String {
            let result = PQexec(handle, query)
            defer { PQclear(result) }
            guard PQresultStatus(result) == PGRES_TUPLES_OK else {
                throw DriverError(description: String(cString: PQerrorMessage(handle)))
            }
            return String(cString: PQgetvalue(result, 0, 0))
        }
    }

    let idle = Queue<Connection>()

    init(connections: Int) throws {
        for connection in try FiberGroup().map(0..<connections, { _ in Connection(handle: PQconnectdb("")) }) {
            guard PQstatus(connection.handle) == CONNECTION_OK else {
                throw DriverError(description: String(cString: PQerrorMessage(connection.handle)))
            }
            try idle.put(connection)
        }
    }

    func giveBack(_ connection: Connection) throws {
        // A cancelled query leaves a connection that is in the middle of something.
        if PQtransactionStatus(connection.handle) != PQTRANS_IDLE { PQreset(connection.handle) }
        try idle.putNoWait(connection)
    }
}
