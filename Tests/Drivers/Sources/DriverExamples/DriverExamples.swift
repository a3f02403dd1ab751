import CCurl
import CPostgres
import CRedis
import Glibc
import Swiftlet
import SwiftletInterpose

/// Plain C drivers in fibers and tasks: `swift run DriverExamples queries`.
///
/// The servers are those that the drivers' own settings name: `PGHOST` and so on for PostgreSQL, `REDIS_PORT` for Redis.
@main
enum DriverExamples {
    static var all: [(name: String, run: () throws -> Void)] {
        [
            ("queries", twoHundredQueries), ("pool", poolOverRedis), ("transfers", transfers),
            ("handler", serveQueries),
        ]
    }

    static func main() throws {
        patchAll()
        guard let name = CommandLine.arguments.dropFirst().first, let example = all.first(where: { $0.name == name })
        else { return print("DriverExamples \(all.map(\.name).joined(separator: "|"))") }
        try example.run()
    }
}

struct DriverError: Error, CustomStringConvertible {
    let description: String
}

/// One answer of a server, over a connection of its own.
func ask(_ query: String) throws -> String {
    let connection = PQconnectdb("")
    defer { PQfinish(connection) }
    let result = PQexec(connection, query)
    defer { PQclear(result) }
    guard PQresultStatus(result) == PGRES_TUPLES_OK else {
        throw DriverError(description: String(cString: PQerrorMessage(connection)))
    }
    return String(cString: PQgetvalue(result, 0, 0))
}

/// 200 concurrent queries through plain libpq, on one thread.
func twoHundredQueries() throws {
    try EventLoop.run {
        let time = try ContinuousClock().measure {
            let fibers = (0..<200).map { _ in spawn { try ask("SELECT pg_sleep(0.2)") } }
            try joinAll(fibers, rethrowing: true)
        }
        print("200 queries of 0.2 s:", time)
    }
}

/// Ten fibers take from a list, each by a blocking pop of plain hiredis.
func poolOverRedis() throws {
    let port = CInt(getenv("REDIS_PORT").flatMap { Int(String(cString: $0)) } ?? 6379)
    func withRedis(_ body: (UnsafeMutablePointer<redisContext>) throws -> Void) throws {
        guard let context = redisConnect("127.0.0.1", port), context.pointee.err == 0 else {
            throw DriverError(description: "no Redis at port \(port)")
        }
        defer { redisFree(context) }
        try body(context)
    }
    try EventLoop.run {
        let pool = FiberPool(size: 10)
        for number in 0..<10 {
            try pool.spawn {
                try withRedis { redis in
                    while let reply = redis_blpop(redis, "swiftlet-jobs", "1") {
                        defer { freeReplyObject(reply) }
                        guard reply.pointee.type == REDIS_REPLY_ARRAY, let job = reply.pointee.element[1] else {
                            return
                        }
                        print("fiber \(number) takes", String(cString: job.pointee.str))
                    }
                }
            }
        }
        try withRedis { redis in
            for number in 0..<30 { freeReplyObject(redis_rpush(redis, "swiftlet-jobs", "job \(number)")) }
        }
        try pool.join()
    }
}

/// Easy handles of plain libcurl, one a fiber.
func transfers() throws {
    curl_global_init(3)  // CURL_GLOBAL_DEFAULT
    let url = CommandLine.arguments.dropFirst(2).first ?? "http://127.0.0.1:5000/"
    try EventLoop.run {
        let fibers = (0..<100).map { _ in
            spawn {
                let handle = curl_easy_init()!
                defer { curl_easy_cleanup(handle) }
                var count = 0
                _ = curl_set_text(handle, CURLOPT_URL, url)
                _ = curl_set_number(handle, CURLOPT_NOSIGNAL, 1)
                return withUnsafeMutablePointer(to: &count) { count in
                    _ = curl_count_into(handle, count)
                    return curl_easy_perform(handle) == CURLE_OK ? count.pointee : -1
                }
            }
        }
        print(try joinAll(fibers).map { try $0.get() })
    }
}
