import CSwiftlet
import Glibc
import Swiftlet
import TestSupport
import Testing

@testable import SwiftletNet

/// A shell that runs a script.
private func shell(_ script: String) -> Command { Command("sh", ["-c", script]) }

/// No child of this process with that number is left, dead or alive.
private func isGone(_ id: CInt) -> Bool { waitpid(id, nil, WNOHANG) < 0 && errno == ECHILD }

/// The process exists and is no zombie.
private func isRunning(_ id: String) -> Bool {
    do {
        let status = String(decoding: try FileSystem.read("/proc/\(id)/stat"), as: UTF8.self)
        return !status.contains(") Z ") && !status.contains(") X ")
    } catch {
        return false
    }
}

@Suite struct SubprocessTests {
    @Test func runsToTheEndAndCollects() async throws {
        try await onLoop {
            let result = try Subprocess.run(shell("cat; echo problem >&2; exit 3"), input: Array("in".utf8))
            #expect(result.outputText == "in" && result.errorText == "problem\n")
            #expect(result.status == .exited(code: 3) && !result.status.isSuccess)
            let error = try failure(SubprocessError.self) { try result.requireSuccess() }
            #expect(error.description == "sh exited with code 3: problem")
            #expect(try Subprocess.run(Command("true")).requireSuccess().output.isEmpty)
            let killed = try Subprocess.run(shell("kill -9 $$"))
            #expect(killed.status == .signalled(SIGKILL))
            #expect(killed.status.description.contains("signal 9"))
        }
    }

    @Test func fromTasksAndPlainThreads() async throws {
        try await onTaskLoop { _ in
            #expect(try await Subprocess.run(Command("echo", ["a", "b c"])).outputText == "a b c\n")
            var command = Command("cat")
            command.standardInput = .pipe
            let (text, status) = try await withSubprocess(command) { child in
                try await child.standardInput?.write("piped")
                child.standardInput?.close()
                return try await child.standardOutput?.readToEnd()
            }
            #expect(text == Array("piped".utf8) && status.isSuccess)
        }
        try await onFreshThread { () throws -> Void in
            #expect(try Subprocess.run(Command("echo", ["thread"])).outputText == "thread\n")
            let (output, status) = try withSubprocess(shell("exit 4")) { try $0.standardOutput!.readToEnd() }
            #expect(output.isEmpty && status == .exited(code: 4))
            #expect(EventLoop.currentIfAny == nil)
        }
    }

    @Test func argumentsEnvironmentAndDirectoryArrive() async throws {
        try await onLoop {
            var command = shell("echo $# $1; env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD=; pwd")
            command.arguments += ["name", "two words\n", ""]
            command.environment = ["A": "1=2", "PATH": "/usr/bin:/bin"]
            command.workingDirectory = "/"
            let lines = try Subprocess.run(command).requireSuccess().outputText.split(separator: "\n")
            #expect(lines.first == "2 two words" && lines.last == "/")
            #expect(Set(lines.dropFirst().dropLast()) == ["A=1=2", "PATH=/usr/bin:/bin"])
        }
    }

    @Test func whatCannotBeStartedIsNamed() async throws {
        try await onLoop {
            let missing = try failure(SubprocessError.self) { try Subprocess.run(Command("no-such-program")) }
            #expect(missing.reason == .notStarted(errno: ENOENT))
            #expect(missing.description.contains("cannot start no-such-program: No such file"))
            var elsewhere = Command("true")
            elsewhere.workingDirectory = "/no/such/directory"
            #expect(throws: SubprocessError.self) { try Subprocess.run(elsewhere) }
            #expect(
                try failure(SubprocessError.self) { try Subprocess.run(Command("/")) }.reason
                    == .notStarted(errno: EACCES))
            for command in [Command(""), Command("true", ["a\0b"])] {
                #expect(
                    try failure(SubprocessError.self) { try Subprocess.run(command) }.reason
                        == .notStarted(errno: EINVAL))
            }
        }
    }

    @Test func streamsBothWaysWithoutWaitingForOneAnother() async throws {
        try await onLoop {
            // More than both pipes hold, in both directions at once.
            let data = [UInt8](repeating: UInt8(ascii: "x"), count: 3_000_000)
            #expect(try Subprocess.run(Command("cat"), input: data).output == data)
            // One that does not read its input is no error.
            #expect(try Subprocess.run(Command("true"), input: data).status.isSuccess)

            var command = shell("while read line; do echo \"got $line\"; done")
            command.standardInput = .pipe
            let (_, status) = try withSubprocess(command) { child in
                let (input, output) = (child.standardInput!, BufferedReader(child.standardOutput!))
                let parks = try EventLoop.current.statistics.parks
                for number in 0..<3 {
                    try input.write("\(number)\n")
                    #expect(try output.readLine() == "got \(number)")
                }
                #expect(try EventLoop.current.statistics.parks > parks)
                input.close()
                #expect(try output.readLine() == nil)
            }
            #expect(status.isSuccess)
        }
    }

    @Test func redirects() async throws {
        try await onLoop {
            let path = "/tmp/swiftlet-redirect-\(getpid())"
            var command = shell("echo out; echo error >&2; cat")
            command.standardOutput = .file(path)
            command.standardError = .standardOutput
            #expect(try Subprocess.run(command).requireSuccess().output.isEmpty)
            #expect(try FileSystem.read(path) == Array("out\nerror\n".utf8))
            var reading = Command("cat")
            reading.standardInput = .file(path)
            #expect(try Subprocess.run(reading).outputText == "out\nerror\n")
            var silent = shell("echo out; echo error >&2; cat")
            (silent.standardOutput, silent.standardError) = (.nothing, .pipe)
            #expect(try Subprocess.run(silent).errorText == "error\n")
            var together = shell("echo out; echo error >&2")
            together.standardError = .standardOutput
            #expect(try Subprocess.run(together).outputText == "out\nerror\n")
            try FileSystem.remove(path)
            reading.standardInput = .file(path)
            #expect(throws: FileError.self) { try Subprocess.run(reading) }
        }
    }

    @Test func nothingIsInherited() async throws {
        try await onLoop {
            // Without close-on-exec, as a careless library would open it.
            let leak = open("/dev/null", O_RDONLY)
            defer { close(leak) }
            let listener = try TCPListener()
            let listed = try Subprocess.run(Command("ls", ["/proc/self/fd"])).requireSuccess().outputText
            // The fourth is the directory that it lists.
            #expect(listed.split(separator: "\n").count == 4, "\(listed)")
            withExtendedLifetime(listener) {}
        }
    }

    @Test func signalsAreAsAProgramExpectsThem() async throws {
        try await onLoop {
            let earlier = signal(SIGUSR1, SIG_IGN)
            defer { signal(SIGUSR1, earlier) }
            var blocked = sigset_t()
            sigemptyset(&blocked)
            sigaddset(&blocked, SIGUSR2)
            pthread_sigmask(SIG_BLOCK, &blocked, nil)
            defer { pthread_sigmask(SIG_UNBLOCK, &blocked, nil) }
            let text = try Subprocess.run(Command("grep", ["-E", "^Sig(Blk|Ign)", "/proc/self/status"])).outputText
            let masks = text.split(separator: "\n").compactMap { UInt64($0.suffix(16), radix: 16) }
            // Those from 32 on are the C library's own, and their handling cannot be set.
            #expect(masks.count == 2 && masks.allSatisfy { $0 & 0x7fff_ffff == 0 }, "\(text)")
        }
    }

    @Test func aLimitEndsIt() async throws {
        try await onLoop {
            let error = try failure(SubprocessError.self) { try Subprocess.run(Command("yes"), limit: 1000) }
            #expect(error.reason == .outputLimitExceeded(1000) && error.description.contains("yes was ended"))
            #expect(try Subprocess.run(shell("printf 12345"), limit: 5).output.count == 5)
        }
    }

    @Test func aTimeoutEndsItEvenIfItIgnoresSIGTERM() async throws {
        try await onLoop {
            var command = shell("trap '' TERM; sleep 1000 & echo $!; while :; do wait; done")
            command.grace = .milliseconds(20)
            command.leadsGroup = true
            let id = Box<CInt>(0)
            let grandchild = Box("")
            // Where the time was too short for the shell to begin, it gets more.
            for attempt in 0..<8 where grandchild.value.isEmpty {
                #expect(throws: DeadlineExceeded.self) {
                    try withTimeout(.milliseconds(300 << attempt)) {
                        try withSubprocess(command) { child in
                            id.value = child.id
                            grandchild.value = try BufferedReader(child.standardOutput!).readLine() ?? ""
                            try child.wait()
                        }
                    }
                }
                #expect(isGone(id.value))
            }
            // Nor does any of its group run.
            #expect(!grandchild.value.isEmpty)
            while isRunning(grandchild.value) { try sleep(.milliseconds(1)) }

            var sleeper = Command("sleep", ["1000"])
            sleeper.grace = .seconds(50)
            let late = try failure(SubprocessError.self) { try Subprocess.run(sleeper, timeout: .milliseconds(50)) }
            #expect(late.reason == .timedOut(after: .milliseconds(50)) && late.description.contains("sleep was ended"))
        }
    }

    @Test func cancellationEndsIt() async throws {
        try await onLoop {
            let id = Box<CInt>(0)
            let isReady = Event()
            let running = spawn {
                try withSubprocess(shell("echo ready; exec sleep 1000")) { child in
                    id.value = child.id
                    #expect(try BufferedReader(child.standardOutput!).readLine() == "ready")
                    isReady.set()
                    try child.wait()
                }
            }
            try isReady.wait()
            running.cancel()
            #expect(throws: CancellationError.self) { try running.get(timeout: .seconds(50)) }
            #expect(isGone(id.value))
        }
        try await onTaskLoop { loop in
            let parks = loop.statistics.parks
            let isReady = Event()
            let running = Task {
                try await withSubprocess(shell("echo ready; exec sleep 1000")) { child in
                    _ = try await BufferedReader(child.standardOutput!).readLine()
                    isReady.set()
                    try await child.wait()
                }
            }
            try await isReady.wait()
            while loop.statistics.parks == parks { await Task.yield() }  // it waits for the line, or for the end
            running.cancel()
            await #expect(throws: CancellationError.self) { _ = try await running.value }
            // So does cancelling one that only collects.
            let collecting = Task { try await Subprocess.run(Command("sleep", ["1000"])) }
            try await yieldTimes(20)
            collecting.cancel()
            await #expect(throws: CancellationError.self) { _ = try await collecting.value }
        }
    }

    private func yieldTimes(_ count: Int) async throws { for _ in 0..<count { await Task.yield() } }

    @Test func aBodyThatThrowsEndsIt() async throws {
        try await onLoop {
            let id = Box<CInt>(0)
            #expect(throws: Failure.self) {
                try withSubprocess(Command("sleep", ["1000"])) { child in
                    id.value = child.id
                    #expect(try child.wait(until: .after(.milliseconds(5))) == nil)
                    #expect(child.exitStatus == nil)
                    throw Failure()
                }
            }
            #expect(isGone(id.value))
        }
    }

    /// Not SIGUSR1: another test has this process ignore that for a while, and a child may begin in between.
    @Test func severalMayWaitAndSignal() async throws {
        try await onLoop {
            let (_, status) = try withSubprocess(Command("sleep", ["1000"])) { child in
                let waiters = try (0..<3).map { _ in try spawnAndPark { try child.wait() } }
                #expect(waiters.allSatisfy { !$0.isFinished })
                try child.send(SIGUSR2)
                for waiter in waiters { #expect(try waiter.get(timeout: .seconds(50)) == .signalled(SIGUSR2)) }
                #expect(child.exitStatus == .signalled(SIGUSR2))
                // Its number may be another's by now: nobody is signalled.
                try child.send(SIGKILL)
                #expect(try child.terminate() == .signalled(SIGUSR2))
            }
            #expect(status == .signalled(SIGUSR2))
        }
    }

    @Test func aThousandLeaveNothingBehind() async throws {
        try await onLoop {
            func held() -> Int {
                openDescriptors().count { number in
                    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                        let count = readlink("/proc/self/fd/\(number)", buffer.baseAddress!, 255)
                        buffer[max(count, 0)] = 0
                        let name = String(cString: buffer.baseAddress!)
                        return name.contains("pidfd") || name.hasPrefix("pipe:")
                    }
                }
            }
            let loop = try EventLoop.current
            let before = loop.liveFibers().count
            for _ in 0..<250 {
                let group = (0..<4).map { number in spawn { try Subprocess.run(shell("exit \(number)")).status } }
                for (number, child) in group.enumerated() {
                    #expect(try child.get(timeout: .seconds(50)) == .exited(code: CInt(number)))
                }
            }
            #expect(loop.liveFibers().count == before)
            // Tests beside this one have a few of their own.
            #expect(held() < 100)
        }
    }
}
