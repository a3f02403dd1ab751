import CRedis
import DriverServers
import Swiftlet
import SwiftletInterpose
import Testing

/// A connection of plain hiredis.
private final class Redis {
    static let server = Result { try Server.redis() }

    let context: UnsafeMutablePointer<redisContext>

    init() throws {
        guard let context = redisConnect("127.0.0.1", CInt(try Self.server.get().port)), context.pointee.err == 0 else {
            throw DriverError(description: "no connection to Redis")
        }
        self.context = context
    }

    deinit { redisFree(context) }

    /// The element that comes within a time, or nil.
    func pop(_ key: String, _ seconds: String) throws -> String? {
        guard let reply = redis_blpop(context, key, seconds) else { throw DriverError(description: "no reply") }
        defer { freeReplyObject(reply) }
        guard reply.pointee.type == REDIS_REPLY_ARRAY, let element = reply.pointee.element[1] else { return nil }
        return String(cString: element.pointee.str)
    }

    func push(_ key: String, _ value: String) { freeReplyObject(redis_rpush(context, key, value)) }
}

extension DriverTests {
    @Test func twoHundredBlockingPopsOfHiredisTakeTheTimeOfOne() throws {
        try prepare(Redis.server)
        try EventLoop.run(takesOver: false) {
            let connections = try FiberGroup().map(0..<200) { _ in try Redis() }
            let time = try inFibers(
                connections.map { connection in
                    { () throws -> Void in #expect(try connection.pop("nothing", "0.2") == nil) }
                })
            print("hiredis: 200 × BLPOP 0.2:", time)
            #expect(time < .milliseconds(350))
        }
    }

    @Test func aPoolOfFibersWorksOnAList() throws {
        try prepare(Redis.server)
        try EventLoop.run(takesOver: false) {
            let pool = FiberPool(size: 8)
            let consumers = try (0..<8).map { _ in
                try pool.spawn { () -> [String] in
                    let redis = try Redis()
                    var taken: [String] = []
                    while let item = try redis.pop("jobs", "10"), item != "end" { taken.append(item) }
                    return taken
                }
            }
            let producer = try Redis()
            for number in 0..<100 { producer.push("jobs", "\(number)") }
            for _ in consumers { producer.push("jobs", "end") }
            let taken = try consumers.flatMap { try $0.get() }
            #expect(taken.count == 100 && Set(taken).count == 100)
        }
    }
}
