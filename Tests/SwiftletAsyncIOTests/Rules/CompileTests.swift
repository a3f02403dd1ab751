import Foundation
import TestSupport
import Testing

/// What the compiler refuses, where Python finds out at run time or by its own parser. One run of the compiler, against
/// the modules that the tests were built with.
@Suite struct CompileTests {
    /// Each line with a diagnostic says so in its comment.
    static let source = """
        import Swiftlet

        func asynchronous(_ number: Int) async -> Int { number }

        func R7_awaitOutsideAsync() {
            _ = await asynchronous(1)  // error: 'async' call in a function that does not support concurrency
        }

        func E9_callWithoutAwait() async {
            _ = asynchronous(1)  // error: expression is 'async' but is not marked with 'await'
        }

        func E20_awaitOfAPlainValue() async {
            let seven = 7
            _ = await seven  // warning: no 'async' operations occur within 'await' expression
        }

        func R9_iteratingACoroutine(_ coroutine: Coroutine<Int>) {
            for _ in coroutine {}  // error: for-in loop requires 'Coroutine<Int>' to conform to 'Sequence'
        }

        func R9_nextOfACoroutine(_ coroutine: Coroutine<Int>) throws {
            _ = try coroutine.next()  // error: value of type 'Coroutine<Int>' has no member 'next'
        }

        func R9_iteratingAnAsyncGenerator(_ generator: AsyncGenerator<Int>) {
            for _ in generator {}  // error: for-in loop requires
        }

        func R10_yieldFromACoroutine(_ coroutine: Coroutine<Int>) -> Generator<Int> {
            Generator { yield in try yield.from(coroutine) }  // error: 'Coroutine<Int>' conform to 'Sequence'
        }

        func R2_yieldFromInAsyncCode(_ other: Generator<Int>) -> AsyncGenerator<Int> {
            AsyncGenerator { yield in try await yield.from(other) }  // error: has no member 'from'
        }

        func C5_aGeneratorCannotSwitch() -> Generator<Int> {
            Generator { yield in try yield.switch(1) }  // error: has no member 'switch'
        }

        func yieldOfAnotherType() -> Generator<Int> {
            Generator { yield in try yield("one") }  // error: cannot convert value of type 'String' to expected argument type 'Int'
        }

        func yieldWithoutTry() -> Generator<Int> {
            Generator { yield in yield(1) }  // error: call can throw, but it is not marked with 'try'
        }

        struct R6_noAwaitable: Awaitable {  // error: does not conform to protocol 'Awaitable'
            typealias Value = Int
        }

        func R12_resultOfACoroutine(_ coroutine: Coroutine<Int>) -> Int {
            coroutine + 1  // error: cannot convert value of type 'Coroutine<Int>' to expected argument type 'Int'
        }
        """

    @Test func theCompilerRefuses() async throws {
        let output = try await onFreshThread { try Self.typecheck(Self.source) }
        var found: [Int: [String]] = [:]
        for line in output.split(separator: "\n") {
            // FILE:LINE:COLUMN: KIND: TEXT
            let parts = line.split(separator: ":", maxSplits: 3)
            guard parts.count == 4, parts[0].hasSuffix("rules.swift"), let number = Int(parts[1]) else { continue }
            let text = parts[3].trimmingPrefix(" ")
            if text.hasPrefix("error: ") || text.hasPrefix("warning: ") {
                found[number, default: []].append(String(text))
            }
        }
        for (index, line) in Self.source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split(separator: "  // ", maxSplits: 1)
            guard words.count == 2 else {
                #expect(found[index + 1] == nil, "unexpected in \(line)")
                continue
            }
            let kind = words[1].split(separator: ": ")[0]
            let text = words[1].dropFirst(kind.count + 2)
            #expect(
                found[index + 1, default: []].contains { $0.hasPrefix("\(kind): ") && $0.contains(text) },
                "\(line): \(found[index + 1, default: []])")
        }
        #expect(!found.isEmpty, "the compiler said: \(output)")
    }

    static func typecheck(_ source: String) throws -> String {
        // Modules and module maps lie beside the test runner, those of system libraries among the sources.
        let products = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer {
            unlink(folder.appendingPathComponent("rules.swift").path)
            rmdir(folder.path)
        }
        let file = folder.appendingPathComponent("rules.swift")
        try source.write(to: file, atomically: true, encoding: .utf8)
        let compiler = Process()
        compiler.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../../Sources").standardizedFileURL
        let maps = try [products, sources].flatMap { folder in
            try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
                .map { $0.appendingPathComponent("module.modulemap").path }.filter(FileManager.default.fileExists)
        }
        compiler.arguments =
            [
                "swiftc", "-typecheck", "-swift-version", "6", "-I", products.appendingPathComponent("Modules").path,
                file.path,
            ] + maps.flatMap { ["-Xcc", "-fmodule-map-file=\($0)"] }
        let pipe = Pipe()
        compiler.standardError = pipe
        compiler.standardOutput = pipe
        try compiler.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        compiler.waitUntilExit()
        return String(decoding: output, as: UTF8.self)
    }
}
