import CSwiftlet
import Glibc
import Swiftlet
import SwiftletLoop
import TestSupport
import Testing

@testable import SwiftletInspect

@Suite(.serialized) struct InspectorTests {
    @Test func onlyItsUserCanOpenTheSocket() throws {
        let path = try Inspector.start()
        #expect(try Inspector.start() == path && Inspector.socketPath == path)
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFSOCK && status.st_mode & 0o777 == 0o600)
        let directory = path.split(separator: "/").dropLast().map { "/\($0)" }.joined()
        #expect(lstat(directory, &status) == 0)
        #expect(status.st_mode & S_IFMT == S_IFDIR && status.st_mode & 0o777 == 0o700 && status.st_uid == geteuid())
        #expect(InspectionSocket.all(of: geteuid()).contains { $0.process == getpid() && $0.path == path })
    }

    @Test func anUnknownRequestIsRefused() throws {
        let client = try connectToSelf()
        try client.ask("sing")
        let line = try client.nextLine()
        #expect(
            String(decoding: line, as: UTF8.self).hasPrefix("refused\tthis process does not know the request 'sing'"))
    }

    @Test func aDirectoryThatOthersMayEnterIsNoPlaceForIt() throws {
        let path = "/tmp/swiftlet-test-\(getpid())"
        mkdir(path, 0o755)
        defer { rmdir(path) }
        mkdir("\(path)/swiftlet", 0o755)
        defer { rmdir("\(path)/swiftlet") }
        chmod("\(path)/swiftlet", 0o755)
        let before = getenv("XDG_RUNTIME_DIR").map { String(cString: $0) }
        setenv("XDG_RUNTIME_DIR", path, 1)
        defer { if let before { setenv("XDG_RUNTIME_DIR", before, 1) } else { unsetenv("XDG_RUNTIME_DIR") } }
        #expect(InspectionSocket.directories(of: geteuid()).contains("\(path)/swiftlet") == false)
        chmod("\(path)/swiftlet", 0o700)
        #expect(InspectionSocket.directories(of: geteuid()).first == "\(path)/swiftlet")
    }

    @Test func whatIsWrittenIsRead() {
        var writer = WireWriter()
        writer.begin("line")
        writer.add("a\tb\nc\\d é")
        writer.add(-42)
        writer.add(Int?.none)
        writer.add(true)
        writer.add([UInt(0), 0xfffe, .max])
        writer.add("")
        writer.end()
        var reader = WireReader(writer.bytes.dropLast())
        #expect(writer.bytes.count { $0 == UInt8(ascii: "\n") } == 1)
        let (kind, text, number) = (String(decoding: reader.field(), as: UTF8.self), reader.text(), reader.number())
        #expect(kind == "line" && text == "a\tb\nc\\d é" && number == -42)
        let (nothing, flag, numbers) = (reader.optionalNumber(), reader.flag(), reader.numbers())
        #expect(nothing == nil && flag && numbers == [0, 0xfffe, .max])
        // Of a line that is too short.
        let (empty, missing) = (reader.optionalText(), reader.optionalNumber())
        #expect(empty == nil && missing == nil)
    }

    @Test func aHistoryTellsWhenSomethingBegan() {
        var history = LoopHistory()
        for second in 1...5000 {
            let time = UInt64(second) * 1_000_000_000
            history.add(
                .init(
                    time: time, lastWait: UInt64(second * 10), fibers: UInt64(second), turns: UInt64(second),
                    processorTime: time / 4))
        }
        let now: UInt64 = 5_001_000_000_000
        #expect(history.samples.count <= 1025)
        // Lately to the second, long ago coarser but never younger than it is by much.
        #expect(history.age(49_995, \.lastWait, at: now)?.age == 1_000_000_000)
        let old = history.age(10_000, \.lastWait, at: now)
        #expect((3_900_000_000_000...4_001_000_000_000).contains(old?.age ?? 0) && old?.isOlder == false)
        #expect(history.age(5, \.lastWait, at: now)?.isOlder == true)
        #expect(history.age(60_000, \.lastWait, at: now)?.age == 0)
        #expect(history.busyShare(now: now, processorTime: now / 4) == 250)
    }

    /// A look of a large process takes longer than the time between two samples.
    @Test func aSampleMayBeYoungerThanTheLook() throws {
        var history = LoopHistory()
        history.add(.init(time: 1000, lastWait: 10, fibers: 1, turns: 1, processorTime: 0))
        let age = try #require(history.age(5, \.lastWait, at: 999))
        #expect(age.age == 0 && age.isOlder)
        #expect(history.age(11, \.lastWait, at: 999)?.age == 0)
        #expect(history.busyShare(now: 999, processorTime: 0) == nil)
    }

    @Test func circlesAreFound() {
        #expect(waitCycles([[], [0], [1]]).isEmpty)
        #expect(waitCycles([[1], [2], [0], [0]]).map { Set($0) } == [[0, 1, 2]])
        #expect(waitCycles([[0]]) == [[0]])
        let two = waitCycles([[1], [0], [3, 0], [2]]).map { Set($0) }
        #expect(two.contains([0, 1]) && two.contains([2, 3]) && two.count == 2)
        // Long chains do not overflow the stack.
        let chain = (0..<200_000).map { [$0 + 1] } + [[0]]
        #expect(waitCycles(chain).first?.count == 200_001)
    }

    @Test func eventsAreRecorded() async throws {
        try await onLoop { () throws -> Void in
            let goesOn = Box(true)
            let lock = Lock()
            let worker = spawn(name: "worker-21") {
                while goesOn.value {
                    try spawn(name: "brief-21") { try lock.withLock { try sleep(.milliseconds(1)) } }.join()
                }
            }
            let kinds = try toThread { try recordKinds(atLeast: 200) }
            for kind in [1, 2, 3, 4, 5, 6, 9, 10, 11] as [UInt32] {
                #expect(kinds[kind, default: 0] > 0, "no event \(kind)")
            }
            // What parks goes on, but for those that wait at an end of the recording.
            #expect(abs(kinds[4]! - kinds[5]!) <= 10)
            goesOn.value = false
            try worker.join()
        }
    }

    private func recordKinds(atLeast count: Int) throws -> [UInt32: Int] {
        let client = try connectToSelf()
        try client.ask("trace")
        #expect(try client.nextLine().elementsEqual("recording".utf8))
        var kinds: [UInt32: Int] = [:]
        while kinds.values.reduce(0, +) < count {
            let frame = try #require(TraceFrame(header: try client.nextBytes(TraceFrame.headerSize)))
            let bytes = try client.nextBytes(frame.size)
            guard frame.kind == .events else { continue }
            bytes.withUnsafeBytes { bytes in
                for place in 0..<(bytes.count / 40) {
                    kinds[bytes.loadUnaligned(fromByteOffset: place * 40 + 32, as: UInt32.self), default: 0] += 1
                }
            }
        }
        return kinds
    }

    /// Above what other tests use: the number is taken again and again.
    private func makePipe(at wanted: CInt) throws -> (Descriptor, UInt64) {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        #expect(dup2(ends[0], wanted) == wanted)
        for end in ends { close(end) }
        return (Descriptor(owning: wanted), swiftlet_now())
    }

    @Test func aRecordedWaitHasTheNameOfItsOwnDescriptor() throws {
        try Inspector.start()
        var names = DescriptorNames()
        let (first, firstTime) = try makePipe(at: 987)
        #expect(names.news(of: 987, at: firstTime) == "pipe")
        #expect(names.news(of: 987, at: firstTime + 1) == nil)
        first.close()
        // An event from before the end, which is known.
        #expect(names.news(of: 987, at: swiftlet_now()) == nil)
        let (second, secondTime) = try makePipe(at: 987)
        second.close()
        let (third, thirdTime) = try makePipe(at: 987)
        // What the second was nobody has seen; it is not called as the third.
        #expect(names.news(of: 987, at: secondTime) == "descriptor 987, which is closed by now,")
        #expect(names.news(of: 987, at: secondTime + 1) == nil)
        #expect(names.news(of: 987, at: thirdTime) == "pipe")
        third.close()
    }

    @Test func anAddressWithoutAFunctionIsToldByItsObject() throws {
        // The program's headers, in which there is no code.
        let maps = try #require(SnapshotMaker.readFile("/proc/self/maps"))
        let base = try #require(maps.split(separator: "-").first.flatMap { UInt($0, radix: 16) })
        #expect(Symbols.shared.name(of: base + 64) == "swiftletPackageTests.xctest + 0x40")
        #expect(Symbols.shared.name(of: 8).hasPrefix("0x"))
        let own = unsafeBitCast(dlsym(nil, "malloc"), to: UInt.self)
        #expect(Symbols.shared.function(at: own).hasSuffix("malloc "))
    }

    @Test func descriptorsOfOneFunctionAreOneGroup() async throws {
        try await onLoop { () throws -> Void in
            try Inspector.start()
            let listener = try TCPListener()
            let connections = try openAtTwoPlaces(listener.port)
            let groups = try look().descriptors.filter {
                $0.description == "TCP connections to 127.0.0.1:\(listener.port)"
            }
            #expect(groups.map(\.count) == [7])
            for connection in connections { connection.close() }
            listener.close()
        }
    }
}

@inline(never)
private func openAtTwoPlaces(_ port: Int) throws -> [TCPConnection] {
    var connections = [try TCPConnection.connect(to: "127.0.0.1", port: port)]
    for _ in 0..<6 { connections.append(try TCPConnection.connect(to: "127.0.0.1", port: port)) }
    return connections
}
