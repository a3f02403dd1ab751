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
                    "process \(process) (\(name)) belongs to \(Self.userName(owner)): run swiftlet as that user, or as root"
            )
        }
        if let state, state == "T" || state == "t" {
            throw .unavailable("process \(process) (\(name)) is stopped; let it go on first: kill -CONT \(process)")
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
            throw Failure(
                code: EX_NOPERM, reason: "process \(process) (\(name)) lets nobody else look: run swiftlet as its user")
        }
        throw .unavailable(
            """
            process \(process) (\(name)) does not listen for inspection: start it with SWIFTLET_INSPECT=1, or call \
            Inspector.start() in it; it must be linked with SwiftletInspect
            """)
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
            return .unavailable("process \(process): \(reason)")
        }
        return owner == nil
            ? Failure(code: EX_UNAVAILABLE, reason: "process \(process) has ended")
            : .unavailable("process \(process) (\(name)) does not answer; is it stopped? kill -CONT \(process)")
    }

    /// Whose process it is; `nil` if there is none.
    private var owner: UInt32? {
        var status = stat()
        return stat("/proc/\(process)", &status) == 0 ? status.st_uid : nil
    }

    /// The command's name, as ps shows it.
    var name: String { Self.read("/proc/\(process)/comm").map { String($0.dropLast()) } ?? "?" }

    private var state: Character? {
        guard let text = Self.read("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        return text[end...].dropFirst(2).first
    }

    private func paths(_ owner: UInt32) -> [String] {
        var directories = InspectionSocket.directories(of: owner)
        // What the process itself calls its runtime directory may be another than ours.
        let settings = Self.read("/proc/\(process)/environ", limit: 1 << 20)?.split(separator: "\0") ?? []
        if let runtime = settings.first(where: { $0.hasPrefix("XDG_RUNTIME_DIR=") }) {
            directories.insert(runtime.dropFirst("XDG_RUNTIME_DIR=".count) + "/swiftlet", at: 0)
        }
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
