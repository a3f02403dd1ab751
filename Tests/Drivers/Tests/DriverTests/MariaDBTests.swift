import CMariaDB
import DriverServers
import Swiftlet
import SwiftletInterpose
import Testing

/// A connection of plain libmariadb.
private final class MariaDB {
    static let server = Result { try Server.mariaDB() }

    private let handle: UnsafeMutablePointer<MYSQL>

    init() throws {
        handle = mysql_init(nil)
        let port = UInt32(try Self.server.get().port)
        guard mysql_real_connect(handle, "127.0.0.1", "root", nil, nil, port, nil, 0) != nil else {
            throw DriverError(description: String(cString: mysql_error(handle)))
        }
    }

    deinit { mysql_close(handle) }

    func query(_ text: String) throws -> String {
        guard mysql_query(handle, text) == 0, let result = mysql_store_result(handle) else {
            throw DriverError(description: String(cString: mysql_error(handle)))
        }
        defer { mysql_free_result(result) }
        return mysql_fetch_row(result)?[0].map { String(cString: $0) } ?? ""
    }
}

extension DriverTests {
    @Test(.enabled(if: Server.hasMariaDB, "the server of MariaDB is not installed"))
    func queriesOfLibmariadbTakeTheTimeOfOne() throws {
        try prepare(MariaDB.server)
        try EventLoop.run(takesOver: false) {
            let connections = try FiberGroup().map(0..<50) { _ in try MariaDB() }
            let time = try inFibers(
                connections.map { connection in
                    { () throws -> Void in #expect(try connection.query("SELECT SLEEP(0.2)") == "0") }
                })
            print("libmariadb: 50 × SELECT SLEEP(0.2):", time)
            #expect(time < .milliseconds(350))
        }
    }
}
