import CCurl
import DriverServers
import Swiftlet
import Testing

extension DriverTests {
    /// The example `DriverExamples handler` in a process of its own: async handlers that call libpq.
    @Test func anAsyncHandlerMayCallADriverThatBlocks() throws {
        try prepare(Postgres.server)
        let postgres = try Postgres.server.get()
        let server = try Server.program(
            "DriverExamples", ["handler"],
            environment: [
                "PGHOST=127.0.0.1", "PGPORT=\(postgres.port)", "PGUSER=postgres", "PGDATABASE=postgres",
                "PGSSLMODE=disable", "CONNECTIONS=50",
            ])
        let url = "http://127.0.0.1:\(server.port)"
        try EventLoop.run(takesOver: false) {
            #expect(try fetchText(url + "/").hasPrefix("PostgreSQL"))
            let before = try #require(Int(fetchText(url + "/parks")))
            // One after the other they would take ten seconds.
            let time = try inFibers(
                (0..<50).map { _ in { () throws -> Void in #expect(try fetchText(url + "/slow") == "slept") } })
            print("an async handler over libpq: 50 × pg_sleep(0.2):", time)
            #expect(time < .milliseconds(700))
            #expect(try #require(Int(fetchText(url + "/parks"))) >= before + 50)
        }
    }
}
