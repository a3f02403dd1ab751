import ArgumentParser
import Swiftlet
import SwiftletHTTP

/// How long and how much clients may.
struct ServeLimits: ParsableArguments {
    @Option(
        parsing: .unconditional, help: "How long the head of a request may take. (default: 10s)",
        transform: parseDuration)
    var headTimeout = Duration.seconds(10)

    @Option(
        parsing: .unconditional, help: "How long the body of a request may make no progress. (default: 30s)",
        transform: parseDuration)
    var bodyTimeout = Duration.seconds(30)

    @Option(
        parsing: .unconditional, help: "How long a connection may be idle. (default: 75s)", transform: parseDuration)
    var idleTimeout = Duration.seconds(75)

    @Option(
        parsing: .unconditional, help: "How long a client may take nothing of an answer. (default: 30s)",
        transform: parseDuration)
    var writeTimeout = Duration.seconds(30)

    @Option(parsing: .unconditional, help: "The longest request line, in bytes.")
    var maxLine = 8192

    @Option(parsing: .unconditional, help: "The most fields of a request.")
    var maxFields = 100

    @Option(parsing: .unconditional, help: "The longest head of a request, in bytes.")
    var maxHead = 64 * 1024

    @Option(parsing: .unconditional, help: "The longest body of a request, in bytes.")
    var maxBody = 1 << 20

    @Option(parsing: .unconditional, help: "The most connections at a time; others wait. (default: no limit)")
    var maxConnections: Int?

    func validate() throws {
        for (name, value) in [
            ("line", maxLine), ("fields", maxFields), ("head", maxHead), ("body", maxBody),
            ("connections", maxConnections ?? 1),
        ] where value < 1 { throw ValidationError("--max-\(name) must be at least 1") }
    }

    func apply(to configuration: inout HTTPServer.Configuration) {
        configuration.headTimeout = headTimeout
        configuration.bodyTimeout = bodyTimeout
        configuration.idleTimeout = idleTimeout
        configuration.writeTimeout = writeTimeout
        configuration.connectionLimit = maxConnections
        configuration.limits.startLineLength = maxLine
        configuration.limits.fieldCount = maxFields
        configuration.limits.headLength = maxHead
        configuration.limits.bodyLength = maxBody
    }
}
