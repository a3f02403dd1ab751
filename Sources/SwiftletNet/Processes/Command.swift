import CSwiftlet
import Glibc
import SwiftletLoop

/// What to start as a child process, and with what.
///
/// ```swift
/// var command = Command("git", ["log", "--oneline"])
/// command.workingDirectory = "/src/project"
/// let log = try Subprocess.run(command).requireSuccess().outputText
/// ```
public struct Command: Sendable, Hashable {
    /// A path, or a name without slashes that is looked for in PATH.
    public var executable: String
    /// The arguments, without the name.
    public var arguments: [String]
    /// All of its environment; `nil` gives it that of this process.
    public var environment: [String: String]?
    /// Where it runs; `nil`: where this process does.
    public var workingDirectory: String?
    /// Makes it the leader of a process group of its own, so that signals, and the end, go to the processes that it starts too. It
    /// does not get the terminal's Ctrl-C then.
    public var leadsGroup = false
    /// How long it may take to end by itself after `SIGTERM` when it must end.
    public var grace: Duration = .seconds(5)

    /// Names what to start.
    public init(_ executable: String, _ arguments: [String] = []) {
        self.executable = executable
        self.arguments = arguments
    }

    /// Where a child's input comes from.
    public enum Input: Sendable, Hashable {
        /// From this process, through `Subprocess.standardInput`.
        case pipe
        /// It ends at once.
        case nothing
        /// From where this process's comes.
        case inherited
        /// From a file.
        case file(String)
    }

    /// Where a child's output or errors go.
    public enum Output: Sendable, Hashable {
        /// To this process, through `Subprocess.standardOutput` or `standardError`. Unless it is read, the child waits.
        case pipe
        /// Nowhere.
        case nothing
        /// To where those of this process go.
        case inherited
        /// To a file, which is made or emptied.
        case file(String)
        /// For errors: to where the output goes.
        case standardOutput
    }

    /// Where its input comes from.
    public var standardInput = Input.nothing
    /// Where its output goes.
    public var standardOutput = Output.pipe
    /// Where its errors go.
    public var standardError = Output.inherited

    /// Starts it; blocks for as long as the kernel loads it.
    func startNow() throws -> Subprocess {
        let strings = [executable] + arguments + (environment ?? [:]).flatMap { [$0, $1] }
        // A zero byte would end an argument early, and a sign of equality the name of a variable.
        guard !executable.isEmpty, !strings.contains(where: { $0.utf8.contains(0) }),
            environment?.keys.contains(where: { $0.isEmpty || $0.contains("=") }) != true
        else { throw SubprocessError(executable, .notStarted(errno: EINVAL)) }
        let streams = try ChildStreams(self)
        let variables = environment?.map { "\($0)=\($1)" }
        var (id, descriptor): (CInt, CInt) = (-1, -1)
        let status = withCStrings([executable] + arguments) { arguments in
            withCStrings(variables ?? []) { environment in
                executable.withCString { file in
                    withOptionalCString(workingDirectory) { directory in
                        var plan = swiftlet_process_plan()
                        plan.file = file
                        plan.arguments = arguments
                        plan.environment = variables == nil ? nil : environment
                        plan.directory = directory
                        plan.descriptors = streams.descriptors
                        plan.leads_group = leadsGroup
                        return swiftlet_process_start(&plan, &id, &descriptor)
                    }
                }
            }
        }
        guard status == 0 else { throw SubprocessError(executable, .notStarted(errno: -status)) }
        return Subprocess(self, id: id, descriptor: descriptor, streams: streams)
    }
}

/// Lends an array of C strings that ends with a null pointer.
private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    return pointers.withUnsafeMutableBufferPointer { body(UnsafePointer($0.baseAddress!)) }
}

private func withOptionalCString<Result>(_ string: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let string else { return body(nil) }
    return string.withCString { body($0) }
}
