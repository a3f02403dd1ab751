import Glibc
import SwiftletLoop
public import SwiftletPool

/// What the tests' worker program can run.
public let testJobs: [any PoolJob.Type] = [
    Doubled.self, Empty.self, Numbered.self, Echo.self, Reverse.self, Sleep.self, BlockingSleep.self, Spin.self,
    Fail.self,
    FailPlainly.self, Leave.self, Crash.self, FragileArgument.self, FragileResult.self, StubbornResult.self,
    WhoAmI.self,
    Session.self, CloseSession.self, UseSession.self, BadInitializer.self, Context.self, Stop.self, Attempts.self,
    Join.self, HungryEcho.self, LongSleep.self, FailFragilely.self, FailWhile.self, Counted.self, FailOnce.self,
    Zeros.self,
    ActorCall<Tally>.self, ActorCall<Moody>.self,
    ActorCall<Tally.Inner>.self,
]

public struct Doubled: PoolJob {
    public var number: Int
    public init(_ number: Int) { self.number = number }
    public func run() -> Int { number * 2 }
}

public struct Empty: PoolJob {
    public init() {}
    public func run() -> NoOutput { NoOutput() }
}

public struct Numbered: PoolJob {
    public var number: Int
    public init(_ number: Int) { self.number = number }
    public func run() -> NoOutput { NoOutput() }
}

public struct Echo: PoolJob {
    public var text: String
    public init(_ text: String) { self.text = text }
    public func run() -> String { text }
}

public struct Reverse: PoolJob {
    public var bytes: [UInt8]
    public init(_ bytes: [UInt8]) { self.bytes = bytes }
    public func run() -> [UInt8] { bytes.reversed() }
}

/// Gives back what it was given.
public struct HungryEcho: PoolJob {
    public var bytes: [UInt8]
    public var answers: Bool
    public init(_ bytes: [UInt8], answers: Bool = true) {
        self.bytes = bytes
        self.answers = answers
    }
    public func run() -> [UInt8] { answers ? bytes : [UInt8(bytes.count & 0xff)] }
}

/// Waits as a coroutine.
public struct Sleep: PoolJob {
    public var milliseconds: Int
    public init(milliseconds: Int) { self.milliseconds = milliseconds }
    public func run() async throws -> Int {
        try await Task.sleep(for: .milliseconds(milliseconds))
        return milliseconds
    }
}

/// Waits as a coroutine, and has much to carry.
public struct LongSleep: PoolJob {
    public var bytes: [UInt8]
    public var milliseconds: Int
    public init(milliseconds: Int, bytes: Int) {
        self.milliseconds = milliseconds
        self.bytes = [UInt8](repeating: 7, count: bytes)
    }
    public func run() async throws -> Int {
        try await Task.sleep(for: .milliseconds(milliseconds))
        return bytes.count
    }
}

/// Waits in synchronous code, which parks.
public struct BlockingSleep: PoolJob {
    public var milliseconds: Int
    public init(milliseconds: Int) { self.milliseconds = milliseconds }
    public func run() throws -> Int {
        try sleep(.milliseconds(milliseconds))
        return milliseconds
    }
}

/// Computes without a break.
public struct Spin: PoolJob {
    public var milliseconds: Int
    public init(milliseconds: Int) { self.milliseconds = milliseconds }
    public func run() -> Int32 {
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while ContinuousClock.now < end {}
        return getpid()
    }
}

public struct Known: Error, Codable, Hashable {
    public var reason: String
    public init(_ reason: String) { self.reason = reason }
}

public struct Fail: PoolJob {
    public var reason: String
    public init(_ reason: String) { self.reason = reason }
    public func run() throws -> Int { throw Known(reason) }
    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [Known.self] }
}

public struct Unknown: Error, CustomStringConvertible {
    public var description: String { "nobody knows me" }
}

public struct FailPlainly: PoolJob {
    public init() {}
    public func run() throws -> Int { throw Unknown() }
}

public struct Leave: PoolJob {
    public var code: Int32
    public init(code: Int32) { self.code = code }
    public func run() -> Int { exit(code) }
}

public struct Crash: PoolJob {
    public var signal: Int32
    public init(signal: Int32) { self.signal = signal }
    public func run() -> Int {
        // Without the crash handler's report, which takes a while.
        Glibc.signal(signal, SIG_DFL)
        kill(getpid(), signal)
        return 0
    }
}

/// Stops its own worker.
public struct Stop: PoolJob {
    public init() {}
    public func run() -> Int {
        kill(getpid(), SIGSTOP)
        return 1
    }
}

public struct Refusal: Error, CustomStringConvertible {
    public var description: String { "not with me" }
}

/// Cannot be decoded or encoded, as wanted.
public struct Fragile: Codable, Sendable {
    public var breaksOnEncoding = false
    public var breaksOnDecoding = false
    public var text = "fragile"

    enum CodingKeys: CodingKey { case breaksOnDecoding, text }

    public init(breaksOnEncoding: Bool = false, breaksOnDecoding: Bool = false) {
        self.breaksOnEncoding = breaksOnEncoding
        self.breaksOnDecoding = breaksOnDecoding
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        breaksOnDecoding = try container.decode(Bool.self, forKey: .breaksOnDecoding)
        if breaksOnDecoding { throw Refusal() }
        text = try container.decode(String.self, forKey: .text)
    }

    public func encode(to encoder: any Encoder) throws {
        if breaksOnEncoding { throw Refusal() }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(breaksOnDecoding, forKey: .breaksOnDecoding)
        try container.encode(text, forKey: .text)
    }
}

/// An error that nobody can make again from what was sent.
public struct FragileError: Error, Codable {
    public init() {}
    public init(from decoder: any Decoder) throws { throw Refusal() }
}

public struct FailFragilely: PoolJob {
    public var text = "a"
    public init() {}
    public func run() throws -> Int { throw FragileError() }
    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [FragileError.self] }
}

public struct FragileArgument: PoolJob {
    public var argument: Fragile
    public init(_ argument: Fragile) { self.argument = argument }
    public func run() -> String { argument.text }
}

public struct FragileResult: PoolJob {
    public var text = "a"
    public init() {}
    public func run() -> Fragile { Fragile(breaksOnDecoding: true) }
}

public struct StubbornResult: PoolJob {
    public var text = "a"
    public init() {}
    public func run() -> Fragile { Fragile(breaksOnEncoding: true) }
}

public struct WhoAmI: PoolJob {
    public init() {}
    public func run() -> Int32 { getpid() }
}

/// An initializer; `file` gets a line at the beginning and the end of each worker.
public struct Session: PoolJob {
    public struct Kept: Sendable { let name: String }
    public var name: String
    public init(_ name: String) { self.name = name }
    public func run() async throws -> NoOutput {
        try await Task.sleep(for: .milliseconds(1))
        WorkerProcess.keep(Kept(name: name))
        return NoOutput()
    }
}

public struct UseSession: PoolJob {
    public init() {}
    public func run() -> String { WorkerProcess.kept(Session.Kept.self)?.name ?? "none" }
}

public struct CloseSession: PoolJob {
    public var path: String
    public init(path: String) { self.path = path }
    public func run() throws -> NoOutput {
        let file = open(path, O_WRONLY | O_APPEND | O_CREAT, 0o600)
        let line = "\(WorkerProcess.kept(Session.Kept.self)?.name ?? "none")\n"
        _ = line.withCString { write(file, $0, strlen($0)) }
        close(file)
        return NoOutput()
    }
}

/// An initializer that fails as long as a file is there, and writes into it how often it did.
public struct FailWhile: PoolJob {
    public var path: String
    public init(path: String) { self.path = path }
    public func run() throws -> NoOutput {
        let file = open(path, O_WRONLY | O_APPEND)
        guard file >= 0 else { return NoOutput() }
        _ = write(file, "x", 1)
        close(file)
        throw Known("not yet")
    }
    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [Known.self] }
}

public struct BadInitializer: PoolJob {
    public var text = "bad"
    public init() {}
    public func run() throws -> NoOutput { throw Known("no session") }
}

public struct Context: PoolJob {
    public init() {}
    public func run() -> [String: String] {
        var values = CallContext.values
        if let deadline = CallContext.deadline { values["deadline"] = deadline.remaining > .zero ? "ahead" : "past" }
        return values
    }
}

/// Kills its worker unless the file says that this was done often enough.
public struct Attempts: PoolJob {
    public var path: String
    public var deaths: Int
    public init(path: String, deaths: Int) {
        self.path = path
        self.deaths = deaths
    }
    public static var isIdempotent: Bool { true }
    public func run() -> Int {
        let file = open(path, O_RDWR | O_APPEND | O_CREAT, 0o600)
        _ = write(file, "x", 1)
        let count = Int(lseek(file, 0, SEEK_END))
        close(file)
        if count <= deaths { kill(getpid(), SIGKILL) }
        return count
    }
}

public struct Join: PoolJob {
    public var left: String
    public var right: Int
    public init(left: String, right: Int) {
        self.left = left
        self.right = right
    }
    public func run() -> String { "\(left)\(right)" }
}

/// Adds a byte to a file when it begins, then waits or computes, and says how long the file is.
public struct Counted: PoolJob {
    public var path: String
    public var number: Int
    public var milliseconds: Int
    public var computes: Bool
    public init(path: String, number: Int = 0, milliseconds: Int = 0, computes: Bool = false) {
        self.path = path
        self.number = number
        self.milliseconds = milliseconds
        self.computes = computes
    }
    public func run() throws -> Int {
        let file = open(path, O_RDWR | O_APPEND | O_CREAT, 0o600)
        _ = write(file, "x", 1)
        let count = Int(lseek(file, 0, SEEK_END))
        close(file)
        if computes {
            _ = Spin(milliseconds: milliseconds).run()
        } else if milliseconds > 0 {
            try sleep(.milliseconds(milliseconds))
        }
        return count
    }
}

/// Fails unless the file is there, and makes it.
public struct FailOnce: PoolJob {
    public var path: String
    public init(path: String) { self.path = path }
    public func run() throws -> Int {
        if access(path, F_OK) == 0 { return 1 }
        close(open(path, O_WRONLY | O_CREAT, 0o600))
        throw Known("the first time")
    }
    public static var errorTypes: [any (Error & Codable & Sendable).Type] { [Known.self] }
}

public struct Zeros: PoolJob {
    public var count: Int
    public init(_ count: Int) { self.count = count }
    public func run() -> [UInt8] { [UInt8](repeating: 0, count: count) }
}

/// Not among those that the worker program knows.
public struct Stranger: PoolJob {
    public init() {}
    public func run() -> Int { 1 }
}

/// Known under a name that the worker has in another version.
public struct NewerDouble: PoolJob {
    public var number = 1
    public init() {}
    public static var jobName: String { Doubled.jobName }
    public static var jobVersion: Int { 2 }
    public func run() -> Int { number * 2 }
}
