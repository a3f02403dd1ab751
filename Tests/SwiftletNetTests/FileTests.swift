import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

@Suite struct FileTests {
    /// A directory of its own, removed with what is in it.
    private func withDirectory(_ body: @escaping @Sendable (String) throws -> Void) async throws {
        try await onLoop {
            var template = Array("/tmp/swiftlet-files-XXXXXX".utf8CString)
            let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
            defer {
                do {
                    for entry in try FileSystem.entries(of: directory) {
                        try FileSystem.remove("\(directory)/\(entry.name)")
                    }
                    try FileSystem.remove(directory)
                } catch {
                    Issue.record(error)
                }
            }
            try body(directory)
        }
    }

    @Test func writesAndReads() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/file"
            try File.with(path, for: .creating) { file in
                try file.write("one\ntwo\n")
                try file.write(contentsOf: [Array("th".utf8), Array("ree".utf8)])
                #expect(try file.position == 13 && file.size() == 13)
                try file.sync()
                try file.write(Array("T".utf8), at: 4)
                #expect(file.position == 13)
                file.position = 4
                #expect(try file.readToEnd() == Array("Two\nthree".utf8))
                #expect(try file.read(upTo: 10).isEmpty)
                #expect(try file.read(upTo: 3, at: 0) == Array("one".utf8))
                try file.truncate(to: 3)
                #expect(try file.size() == 3)
            }
            let appended = try File.open(path, for: .appending)
            try appended.write("\nmore")
            appended.close()
            appended.close()
            #expect(appended.isClosed)
            #expect(try BufferedReader(File.open(path)).lines().map { $0 } == ["one", "more"])
            #expect(try failure(FileError.self) { try appended.read(upTo: 1) }.reason == .closed)
            #expect(try failure(FileError.self) { try appended.size() }.reason == .closed)
            let emptied = try File.open(path, for: .writing)
            #expect(try emptied.size() == 0)
            let exists = try failure(FileError.self) { try File.open(path, for: .creating) }
            #expect(exists.reason == .system(errno: EEXIST) && exists.description.contains("open \(path): File exists"))
        }
    }

    @Test func fromTasksAndPlainThreads() async throws {
        let path = "/tmp/swiftlet-file-\(getpid())"
        try await onTaskLoop { _ in
            try await FileSystem.write(Array("hello\n".utf8), to: path)
            try await File.with(path, for: .updating) { file in
                #expect(try await file.readExactly(5) == Array("hello".utf8))
                try await file.write("!", until: nil)
                try await file.sync()
                #expect(try await file.size() == 6)
            }
            #expect(try await FileSystem.read(path) == Array("hello!".utf8))
        }
        try await onFreshThread { () throws -> Void in
            #expect(try FileSystem.read(path) == Array("hello!".utf8))
            #expect(EventLoop.currentIfAny == nil)
            try FileSystem.remove(path)
        }
    }

    @Test func theLoopGoesOnMeanwhile() async throws {
        try await withDirectory { directory in
            // A pipe with a name: opening it waits for the other side, as a slow disk would.
            let path = "\(directory)/pipe"
            #expect(mkfifo(path, 0o600) == 0)
            let before = try EventLoop.current.statistics.parks
            let opening = try spawnAndPark { try File.open(path) }
            #expect(!opening.isFinished)
            #expect(try EventLoop.current.statistics.parks > before)
            let late = try failure(FileError.self) { try File.open(path, until: .after(.milliseconds(5))) }
            #expect(late.reason == .timedOut && late.description.contains(path))
            let cancelled = try spawnAndPark { try File.open(path) }
            cancelled.cancel()
            #expect(throws: CancellationError.self) { try cancelled.get(timeout: .seconds(50)) }
            let writer = try File.open(path, for: .updating)
            let reader = try opening.get(timeout: .seconds(50))
            try writer.write("through")
            #expect(try reader.readExactly(7) == Array("through".utf8))
        }
    }

    @Test func failuresAreNamed() async throws {
        try await withDirectory { directory in
            let missing = try failure(FileError.self) { try FileSystem.read("\(directory)/none") }
            #expect(missing.reason == .system(errno: ENOENT) && missing.description.contains("check the path"))
            #expect(try failure(FileError.self) { try FileSystem.read(directory) }.description.contains("directory"))
            #expect(throws: FileError.self) { try File.open("a\0b") }
            let file = try File.open("\(directory)/file", for: .writing)
            let number = try file.opened(for: .write).number
            // Parts, interruptions, and then a full disk.
            Faults.plan(SWIFTLET_CALL_WRITE, number, errors: [EINTR], largest: 3)
            try file.write("0123456789")
            #expect(Faults.calls(SWIFTLET_CALL_WRITE, number) == 5)
            Faults.plan(SWIFTLET_CALL_WRITE, number, errors: [ENOSPC])
            let full = try failure(FileError.self) { try file.write("x") }
            #expect(full.reason == .system(errno: ENOSPC) && full.operation == .write)
            #expect(full.description.contains("the disk is full"))
            Faults.end(SWIFTLET_CALL_WRITE, number)
            Faults.plan(SWIFTLET_CALL_SYNC, number, errors: [EIO])
            #expect(try failure(FileError.self) { try file.sync() }.operation == .sync)
            Faults.end(SWIFTLET_CALL_SYNC, number)
            // Refused by the kernel's memory, then by the disk.
            Faults.plan(SWIFTLET_CALL_READ, number, errors: [EAGAIN, EIO])
            #expect(try failure(FileError.self) { try file.read(upTo: 1, at: 0) }.reason == .system(errno: EIO))
            Faults.end(SWIFTLET_CALL_READ, number)
            #expect(try file.read(upTo: 100, at: 0) == Array("0123456789".utf8))
        }
    }

    @Test func replacesAFileAsAWhole() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/file"
            try FileSystem.write(Array("old".utf8), to: path, permissions: 0o640)
            #expect(chmod(path, 0o600) == 0)
            let before = try FileSystem.information(about: path)
            #expect(symlink(path, "\(directory)/link") == 0)
            try FileSystem.write(Array("new contents".utf8), to: "\(directory)/link")
            let after = try FileSystem.information(about: path)
            #expect(after.size == 12 && after.permissions == 0o600 && after.kind == .file)
            #expect(after.number != before.number, "written in place")
            #expect(try FileSystem.information(about: "\(directory)/link", followsLinks: false).kind == .symbolicLink)
            // One that cannot be replaced stays, and nothing is left beside it.
            #expect(mkdir("\(directory)/taken", 0o700) == 0)
            let error = try failure(FileError.self) { try FileSystem.write([1], to: "\(directory)/taken") }
            #expect(error.operation == .replace && error.path == "\(directory)/taken")
            #expect(throws: FileError.self) { try FileSystem.write([1], to: "\(directory)/none/file") }
            let entries = try FileSystem.entries(of: directory)
            #expect(entries.map(\.name) == ["file", "link", "taken"])
            #expect(entries.map(\.kind) == [.file, .symbolicLink, .directory])
            #expect(throws: FileError.self) { try FileSystem.entries(of: path) }
        }
    }

    @Test func readsWholeFilesWithinALimit() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/file"
            let data = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 3) }
            try FileSystem.write(data, to: path)
            #expect(try FileSystem.read(path) == data)
            #expect(try FileSystem.read(path, limit: data.count) == data)
            let long = try failure(FileError.self) { try FileSystem.read(path, limit: data.count - 1) }
            #expect(long.reason == .limitExceeded(data.count - 1))
            // One that says it is empty, and is not.
            #expect(try !FileSystem.read("/proc/self/status").isEmpty)
        }
    }

    @Test func sendsFilesOverSocketsAndOtherSinks() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/file"
            let data = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
            try FileSystem.write(data, to: path)
            let file = try File.open(path)

            let pair = try makePair()
            let reader = try spawnAndPark { try pair.server.readToEnd() }
            let buffered = BufferedStream(pair.client)
            try buffered.write("head")
            Faults.plan(SWIFTLET_CALL_SEND, pair.client.descriptor.number, errors: [EINTR])
            try buffered.write(contentsOf: file)
            Faults.end(SWIFTLET_CALL_SEND, pair.client.descriptor.number)
            try buffered.write(contentsOf: file, in: 10..<20)
            try buffered.closeWriting()
            #expect(try reader.get(timeout: .seconds(50)) == Array("head".utf8) + data + data[10..<20])
            #expect(file.position == 0)

            let pipe = try Pipe()
            let other = try spawnAndPark { try pipe.reader.readToEnd() }
            try pipe.writer.write(contentsOf: file, in: 5..<2_000_000)
            pipe.writer.close()
            #expect(try other.get(timeout: .seconds(50)) == Array(data[5..<2_000_000]))

            let short = try failure(SocketError.self) {
                try pair.server.write(contentsOf: file, in: 2_999_999..<3_000_001)
            }
            #expect(short.reason == .system(errno: ENODATA) && short.description.contains("became shorter"))

            // A peer that has gone is an error here too, and no signal.
            let gone = try makePair()
            gone.client.close()
            _ = try gone.server.readToEnd()
            let broken = try failure(SocketError.self) {
                while true { try gone.server.write(contentsOf: file) }
            }
            #expect(broken.isDisconnection)
        }
    }

    @Test func nothingStaysOpen() async throws {
        try await withDirectory { directory in
            let path = "\(directory)/file"
            func open() -> Int {
                openDescriptors().count { number in
                    let name = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                        let count = readlink("/proc/self/fd/\(number)", buffer.baseAddress!, 255)
                        buffer[max(count, 0)] = 0
                        return String(cString: buffer.baseAddress!)
                    }
                    return name.hasPrefix(directory)
                }
            }
            for number in 0..<20 {
                let file = try File.open(path, for: .appending)
                try file.write("line \(number)\n")
                if number.isMultiple(of: 2) { file.close() }
            }
            try FileSystem.write([1, 2, 3], to: path)
            _ = try FileSystem.entries(of: directory)
            #expect(open() == 0)
        }
    }
}
