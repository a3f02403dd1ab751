import Glibc
import Swiftlet
import SwiftletHTTP
import SwiftletInspect

/// Waits of every kind.
func park() throws {
    let listener = try TCPListener()
    let lock = Lock()
    let (orders, gate) = (Channel<Int>(), Semaphore(0))
    spawn(name: "listener") { _ = try listener.accept() }
    spawn(name: "sleeper") { try sleep(.seconds(1000)) }
    let owner = spawn(name: "owner") { try lock.withLock { try sleep(.seconds(1000)) } }
    spawn(name: "second") { try lock.acquire() }
    spawn(name: "consumer") { _ = try orders.receive() }
    spawn(name: "patient") { try gate.acquire(timeout: .seconds(500)) }
    spawn(name: "joiner") { try owner.join() }
    spawn(name: "child") { _ = try Subprocess.run(Command("sleep", ["1000"])) }
    spawn(name: "parent") {
        try withSpawnScope { scope in
            scope.spawn(name: "left") { try sleep(.seconds(1000)) }
            scope.spawn(name: "right") { try sleep(.seconds(1000)) }
        }
    }
    spawn(name: "later", after: .seconds(1000)) {}
    Task { _ = try? await orders.receive() }
    try sleep(.milliseconds(50))
    say("ready")
    try owner.join()
}

/// A computation that never waits.
func compute() throws {
    spawn(name: "bystander") { try sleep(.seconds(1000)) }
    try yield()
    try EventLoop.current.configuration.slowTurnLimit = nil
    let culprit = spawn(name: "culprit") {
        say("ready")
        findPerfectNumbers()
    }
    try culprit.join()
}

@inline(never)
func findPerfectNumbers() {
    var number = 1
    while number > 0 {
        var sum = 0
        for divisor in 1..<max(2, number % 1000) where number % divisor == 0 { sum &+= divisor }
        number = number &+ (sum & 1) &+ 1
        if number == .max { number = 1 }
    }
}

/// A call of libc that is not covered.
func block() throws {
    try EventLoop.current.configuration.slowTurnLimit = nil
    let culprit = spawn(name: "culprit") {
        say("ready")
        askSlowDevice()
    }
    try culprit.join()
}

@inline(never)
func askSlowDevice() {
    var time = timespec(tv_sec: 1000, tv_nsec: 0)
    nanosleep(&time, nil)
}

/// Three fibers that each have a lock and want the next one's. A fourth serves on.
func deadlock() throws {
    let locks = [Lock(), Lock(), Lock()]
    let listener = try TCPListener()
    spawn(name: "listener") { _ = try listener.accept() }
    let philosophers = ["Plato", "Kant", "Hume"].enumerated().map { seat, name in
        spawn(name: name) {
            try locks[seat].withLock {
                try yield()
                try locks[(seat + 1) % 3].withLock {}
            }
        }
    }
    try sleep(.milliseconds(50))
    say("ready")
    try joinAll(philosophers)
}

/// Sockets that nobody closes.
func leakSockets(_ count: Int) throws {
    let listener = try TCPListener()
    spawn(name: "acceptor") {
        var kept: [TCPConnection] = []
        while true { kept.append(try listener.accept()) }
    }
    var forgotten: [TCPConnection] = []
    for _ in 0..<count { forgotten.append(try openAndForget(listener.port)) }
    say("ready")
    try sleep(.seconds(1000))
    withExtendedLifetime(forgotten) {}
}

@inline(never)
func openAndForget(_ port: Int) throws -> TCPConnection { try TCPConnection.connect(to: "127.0.0.1", port: port) }

/// So many fibers that sleep.
func many(_ count: Int) throws {
    for _ in 0..<count { spawn { try sleep(.seconds(1000)) } }
    try sleep(.milliseconds(1))
    say("ready")
    // How long the process is ever held up while somebody looks.
    var longest = Duration.zero
    let clock = ContinuousClock()
    var told = clock.now
    while true {
        let begin = clock.now
        try sleep(.milliseconds(1))
        longest = max(longest, clock.now - begin)
        if clock.now - told > .seconds(1) {
            told = clock.now
            say("longest \(longest / .milliseconds(1)) ms")
            longest = .zero
        }
    }
}

/// Two fibers that talk.
func chatter() throws {
    let (ping, pong) = (Channel<Int>(), Channel<Int>())
    let lock = Lock()
    spawn(name: "ping") {
        for number in 0... {
            try lock.withLock {
                try ping.send(number)
                _ = try pong.receive()
            }
        }
    }
    spawn(name: "pong") {
        for number in ping {
            try pong.send(number)
            try yield()
        }
    }
    spawn(name: "spawner") {
        while true {
            try spawn(name: "brief") { try sleep(.milliseconds(1)) }.join()
        }
    }
    say("ready")
    try sleep(.seconds(1000))
}
