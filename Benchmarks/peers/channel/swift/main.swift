// Swift's own AsyncStream with .bufferingOldest(1), two of them to and fro: channel-swift N
import Glibc
import PeerSupport

let n = nArg(1, 1_000_000)
// In a detached task: top-level code is on the main actor.
@Sendable func run() async {
    var x = 0
    let t = nowNs()
    let (sa, ca) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingOldest(1))
    let (sb, cb) = AsyncStream.makeStream(of: Int.self, bufferingPolicy: .bufferingOldest(1))
    let echo = Task.detached { for await v in sa { cb.yield(v + 1) } }
    var it = sb.makeAsyncIterator()
    for _ in 0..<n / 2 {
        ca.yield(x)
        x = await it.next()!
    }
    echo.cancel()
    let dt = nowNs() - t
    precondition(x == n / 2)
    emit("channel", "swift-asyncstream", n, Double(dt) / Double(n), "ns/message")
}
await Task.detached(operation: run).value
