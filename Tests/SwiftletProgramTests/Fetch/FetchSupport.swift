import Foundation
import Testing

/// A line of results.
struct ResultLine: Decodable {
    struct Failure: Decodable {
        let kind: String
        let message: String
    }

    let url: String
    let finalUrl: String?
    let status: Int?
    let bytes: Int?
    let elapsedS: Double?
    let attempts: Int
    let file: String?
    let error: Failure?

    static func all(_ lines: [String]) throws -> [ResultLine] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try lines.map { try decoder.decode(ResultLine.self, from: Data($0.utf8)) }
    }
}

/// A path for a file or what else; it is removed in the end.
final class TemporaryFile: Sendable {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("swiftlet-\(UUID())").path

    /// - Parameter text: `nil` makes no file.
    init(_ text: String?) throws { if let text { try text.write(toFile: path, atomically: false, encoding: .utf8) } }

    deinit {
        do {
            if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
        } catch {
            Issue.record(error)
        }
    }

    /// The whole lines.
    func lines() throws -> [String] {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
    }

    func append(_ text: String) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }
}
