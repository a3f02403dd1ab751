import Foundation
import Testing

/// `swiftlet run`: a program that is not linked with SwiftletInterpose.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct RunTests {
    @Test
    func `Sleeps of libc become cooperative without linking`() async throws {
        let plain = try await RunningProgram.run("PreloadProgram", "20")
        #expect(plain.exitCode == 0)
        // One after the other.
        #expect(try #require(plain.texts.first.flatMap { Int($0) }) >= 1000)
        let path = RunningProgram.folder.appendingPathComponent("PreloadProgram").path
        let patched = try await RunningProgram.run("swiftlet", "run", "--", path, "100")
        #expect(patched.exitCode == 0, "\(patched.errors)")
        #expect(try (50..<1000).contains(#require(patched.texts.first.flatMap { Int($0) })))
    }

    @Test
    func `A program that is not there, and none`() async throws {
        let missing = try await RunningProgram.run("swiftlet", "run", "--", "/nowhere/program")
        #expect(missing.exitCode == 127)
        #expect(missing.errors == "swiftlet: cannot run /nowhere/program: No such file or directory\n")
        let none = try await RunningProgram.run("swiftlet", "run", "--")
        #expect(none.exitCode == 64)
    }

    @Test(arguments: ["--help", "-h"])
    func `Help for itself, not for the program`(option: String) async throws {
        let outcome = try await RunningProgram.run("swiftlet", "run", option)
        #expect(outcome.exitCode == 0 && outcome.errors == "")
        #expect(outcome.texts.contains { $0.hasPrefix("USAGE: swiftlet run") })
        // Behind the dashes it is the program's.
        let program = try await RunningProgram.run("swiftlet", "run", "--", "ls", "--help")
        #expect(program.exitCode == 0 && program.texts.contains { $0.contains("ls") && !$0.contains("swiftlet") })
    }

    @Test
    func `Other programs run as ever, and their exit code is passed on`() async throws {
        let outcome = try await RunningProgram.run("swiftlet", "run", "--", "sh", "-c", "echo it runs; exit 3")
        #expect(outcome.texts == ["it runs"])
        #expect(outcome.exitCode == 3)
    }
}
