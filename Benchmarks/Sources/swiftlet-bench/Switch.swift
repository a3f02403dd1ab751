import CRawSwitch
import Swiftlet

/// One-way context switches, ping-pong of two stacks, with the thread state of the Swift runtime swapped each time.
///
/// The first line is the bare switch that everything else is built on, as Boost.Context is for others; the second is
/// `Greenlet.switch`, which hands over a value and checks what may go wrong.
func measureSwitch(count: Int) throws {
    let main = Greenlet<Int>.current  // makes this thread's record
    let clock = ContinuousClock()

    guard raw_switch(1000) else { fatalError("no memory for a stack") }
    let bare = clock.measure { _ = raw_switch(count) }
    emit("switch", "swiftlet", count: count, value: bare.nanoseconds(per: count), unit: "ns/switch")

    let pong = Greenlet<Int> { ball in
        var ball = ball
        while true { ball = try main.switch(ball + 1)! }
    }
    var ball = 0
    let passes = max(2, count / 10)
    let greenlets = try clock.measure { while ball < passes / 2 { ball = try pong.switch(ball)! } }
    emit("switch", "swiftlet-greenlet", count: passes, value: greenlets.nanoseconds(per: passes), unit: "ns/switch")
}
