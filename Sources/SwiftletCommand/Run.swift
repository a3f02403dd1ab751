import ArgumentParser
import Glibc

/// Runs a program so that its calls of libc are cooperative, without its having been linked with SwiftletInterpose.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a program whose blocking C calls park only the fiber or task that makes them.",
        discussion: """
            The program must use the library's loops; in others nothing changes. It must be linked dynamically with libc. A \
            program of your own links the product SwiftletInterpose instead, and calls patchAll().
            """)

    @Argument(parsing: .captureForPassthrough, help: "The program, and its arguments, after --.")
    var command: [String]

    func validate() throws {
        // They would be the program's otherwise.
        if let first = command.first, ["--help", "-h", "-help"].contains(first) { throw CleanExit.helpRequest(self) }
        if let first = command.first, first.hasPrefix("-"), first != "--" {
            throw ValidationError("Unknown option '\(first)': swiftlet run -- PROGRAM [ARGUMENT ...]")
        }
        if words.isEmpty { throw ValidationError("swiftlet run -- PROGRAM [ARGUMENT ...]") }
    }

    func run() throws {
        let library = try Self.findLibrary()
        let others = getenv("LD_PRELOAD").map { ":" + String(cString: $0) } ?? ""
        setenv("LD_PRELOAD", library + others, 1)
        setenv("SWIFTLET_INTERPOSE", "all", 1)
        let words = words.map { strdup($0) }
        execvp(words[0]!, words + [nil])
        let reason = errno
        throw Failure(
            code: reason == ENOENT ? 127 : 126,
            reason: "cannot run \(self.words[0]): \(String(cString: strerror(reason)))")
    }

    private var words: [String] { command.first == "--" ? Array(command.dropFirst()) : command }

    /// Beside this program, where a build puts it, or where an installation does.
    private static func findLibrary() throws(Failure) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &buffer, buffer.count)
        guard length > 0 else {
            throw .system("cannot tell where this program lies: \(String(cString: strerror(errno)))")
        }
        let path = String(decoding: buffer.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let folder = path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
        let name = "libSwiftletPreload.so"
        let candidates = ["\(folder)/\(name)", "\(folder)/../lib/\(name)", "\(folder)/../lib/swiftlet/\(name)"]
        if let found = candidates.first(where: { access($0, R_OK) == 0 }) { return found }
        throw .unavailable("\(name) is missing: it should lie beside swiftlet or in ../lib; build it with swift build")
    }
}
