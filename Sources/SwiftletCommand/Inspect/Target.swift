import ArgumentParser
import Glibc
import SwiftletInspect

/// A process that is to be looked into, and how to get at its inspector.
struct Target {
    let process: CInt

    /// Connects, or tells in one line what to do.
    func connect() throws(Failure) -> InspectionClient {
        guard let owner = owner else {
            throw Failure(
                code: EX_NOINPUT,
                reason: "there is no process \(process); `swiftlet ps` lists those that can be inspected")
        }
        let user = geteuid()
        if user != 0, user != owner {
            throw Failure(
                code: EX_NOPERM,
                reason:
                    "\(title) belongs to \(Self.userName(owner)): run swiftlet as that user, or as root"
            )
        }
        if let state, state == "T" || state == "t" {
            throw .unavailable("\(title) is stopped; let it go on first: kill -CONT \(process)")
        }
        var reason = ENOENT
        for path in paths(owner) {
            let number = InspectionSocket.connect(to: path)
            if number >= 0 {
                // One that is stopped meanwhile must not hold the command.
                var limit = timeval(tv_sec: 20, tv_usec: 0)
                setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                return InspectionClient(owning: number)
            }
            if number != -ENOENT { reason = -number }
        }
        if reason == EACCES || reason == EPERM {
            throw Failure(code: EX_NOPERM, reason: "\(title) lets nobody else look: run swiftlet as its user")
        }
        // Asked only now: it is also the state of one that runs on when its first thread has ended.
        if let ended { throw .unavailable(ended) }
        throw .unavailable("\(title) does not listen for inspection: \(remedy)")
    }

    /// How to make it listen. Where a signal does that, a process that is stuck can stay as it is.
    private var remedy: String {
        let restart = """
            start it with SWIFTLET_INSPECT=1, or call Inspector.start() in it; it must be linked with SwiftletInspect
            """
        // To one that does not catch it the signal is the end.
        let catchesSignal = status("SigCgt").flatMap { UInt64($0, radix: 16) }.map {
            $0 >> UInt64(SIGUSR2 - 1) & 1 == 1
        }
        guard setting("SWIFTLET_INSPECT") == "signal" else {
            return catchesSignal == true
                ? restart + "; if it has called Inspector.startOnSignal(), kill -USR2 \(process) lets it listen"
                : restart
        }
        return catchesSignal == true
            ? "it waits for a signal to begin: kill -USR2 \(process)"
            : """
            SWIFTLET_INSPECT=signal is set, but it does not catch the signal: it has made no loop yet, or is not linked \
            with SwiftletInspect
            """
    }

    /// That it has ended, though it still has a number.
    private var ended: String? {
        guard let state, state == "Z" || state == "X" else { return nil }
        let parent = status("PPid").map { " (process \($0))" } ?? ""
        return "\(title) has ended; its number stays until its parent\(parent) takes note of that"
    }

    func look(stacks: Bool) throws(Failure) -> Snapshot {
        let client = try connect()
        return try look(client, stacks: stacks)
    }

    func look(_ client: InspectionClient, stacks: Bool, profile: Int = 0, times: Bool = false) throws(Failure)
        -> Snapshot
    {
        do {
            let snapshot = try client.look(stacks: stacks, profile: profile, times: times)
            if !snapshot.process.refusal.isEmpty { throw Failure.unavailable(snapshot.process.refusal) }
            return snapshot
        } catch let failure as Failure {
            throw failure
        } catch {
            throw explain(error)
        }
    }

    func explain(_ failure: any Error) -> Failure {
        if case InspectionClient.Failure.refused(let reason) = failure {
            return .unavailable("process \(process): \(Wording.printable(reason))")
        }
        if owner == nil { return .unavailable("process \(process) has ended") }
        return .unavailable(ended ?? "\(title) does not answer; is it stopped? kill -CONT \(process)")
    }

    /// Whose process it is; `nil` if there is none.
    private var owner: UInt32? {
        var status = stat()
        return stat("/proc/\(process)", &status) == 0 ? status.st_uid : nil
    }

    /// For messages: a terminal must not take the name for commands.
    var title: String { "process \(process) (\(Wording.printable(name)))" }

    /// The command's name, as ps shows it.
    var name: String { Self.read("/proc/\(process)/comm").map { String($0.dropLast()) } ?? "?" }

    private var state: Character? {
        guard let text = Self.read("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        return text[end...].dropFirst(2).first
    }

    /// A line of what the kernel tells of it.
    private func status(_ name: String) -> String? {
        let lines = Self.read("/proc/\(process)/status")?.split(separator: "\n") ?? []
        return lines.first { $0.hasPrefix("\(name):") }.map { String($0.dropFirst(name.count + 1).drop { $0 == "\t" }) }
    }

    /// Of the environment with which it was started.
    private func setting(_ name: String) -> String? {
        let settings = Self.read("/proc/\(process)/environ", limit: 1 << 20)?.split(separator: "\0") ?? []
        return settings.first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    private func paths(_ owner: UInt32) -> [String] {
        var directories = InspectionSocket.directories(of: owner)
        // What the process itself calls its runtime directory may be another than ours.
        if let runtime = setting("XDG_RUNTIME_DIR") { directories.insert("\(runtime)/swiftlet", at: 0) }
        return directories.map { "\($0)/\(process)" }
    }

    private static func userName(_ user: UInt32) -> String {
        getpwuid(user).map { String(cString: $0.pointee.pw_name) } ?? "user \(user)"
    }

    private static func read(_ path: String, limit: Int = 4096) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = Glibc.read(file, &bytes, bytes.count)
        return count >= 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}

/// The argument of the commands that look into a process.
struct TargetArgument: ParsableArguments {
    @Argument(help: "The process's number; `swiftlet ps` lists those that can be inspected.")
    var pid: Int

    func validate() throws {
        guard (1...Int(CInt.max)).contains(pid) else { throw ValidationError("'\(pid)' is no process's number") }
    }

    var target: Target { Target(process: CInt(pid)) }
}
