import Foundation
import FuzzTargets
import Testing

/// The fuzzer's corpora, and everything that it ever found, run again: `Tests/Fuzz/corpus/TARGET/`.
@Suite("Fuzzing corpora")
struct CorpusTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../Fuzz/corpus").standardized

    @Test("Nothing is wrong with any of the kept inputs", arguments: FuzzTarget.allCases)
    func corpus(_ target: FuzzTarget) async throws {
        let folder = Self.folder.appendingPathComponent(target.rawValue)
        let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
        #expect(files.count > 1)
        for file in files {
            await Task.yield()  // other tests need the few threads of Swift's pool
            let input = Array(try Data(contentsOf: file))
            #expect(target.run(input) == nil, "\(file.lastPathComponent)")
            for count in 0..<min(input.count, 64) { #expect(target.run(Array(input[..<count])) == nil) }
        }
    }
}
