#if Logging
    import HTTPTypes
    import Logging
    import Swiftlet
    import SwiftletHTTP
    import SwiftletLogging
    import Synchronization
    import TestSupport
    import Testing

    @Suite(.serialized) struct LoggingTests {
        /// What was logged, as it came.
        private final class Journal: Sendable {
            struct Entry: Sendable {
                var level: Logger.Level
                var message: String
                var metadata: Logger.Metadata
            }

            let entries = Mutex<[Entry]>([])

            func logger(_ level: Logger.Level) -> Logger {
                var logger = Logger(label: "test") { _ in Handler(journal: self) }
                logger.logLevel = level
                return logger
            }
        }

        private struct Handler: LogHandler {
            let journal: Journal
            var metadata: Logger.Metadata = [:]
            var logLevel = Logger.Level.trace

            init(journal: Journal) { self.journal = journal }

            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { metadata[key] }
                set { metadata[key] = newValue }
            }

            func log(event: LogEvent) {
                let entry = Journal.Entry(
                    level: event.level, message: "\(event.message)", metadata: event.metadata ?? [:])
                journal.entries.withLock { $0.append(entry) }
            }
        }

        @Test func reportsGoToTheLogger() throws {
            let journal = Journal()
            let before = Report.setHandler { _ in }
            defer { Report.setHandler(before) }
            Report.log(to: journal.logger(.info))
            Report(.handlerError, "it broke").post()
            Report(.blockedLoop, "it waits").post()
            let entries = journal.entries.withLock { $0 }
            #expect(entries.map(\.level) == [.error, .warning])
            #expect(entries.map(\.message) == ["it broke", "it waits"])
            #expect(entries[0].metadata["kind"] == "error in a handler")
        }

        @Test func accessesGoToTheLogger() async throws {
            let journal = Journal()
            try await onLoop {
                let (loud, quiet) = (journal.logger(.info), journal.logger(.warning))
                var configuration = HTTPServer.Configuration()
                configuration.port = 0
                configuration.accessLog = {
                    $0.log(to: loud)
                    $0.log(to: quiet)
                }
                let server = HTTPServer(configuration)
                server.get("/") { _ in "hello" }
                try server.start()
                try HTTPClient.with { client throws in
                    _ = try client.get("http://127.0.0.1:\(server.port)/?a=b")
                }
                try TCPConnection.with("127.0.0.1", port: server.port) { connection in
                    try connection.write("nonsense\r\n\r\n")
                    _ = try connection.readToEnd()
                }
                try server.stop()
            }
            let entries = journal.entries.withLock { $0 }
            #expect(entries.count == 2)
            #expect(entries[0].level == .info && entries[0].metadata["target"] == "/?a=b")
            #expect(entries[0].metadata["method"] == "GET" && entries[0].metadata["status"] == "200")
            #expect(entries[0].metadata["bytes"] == "5" && entries[0].metadata["remote"] == "127.0.0.1")
            #expect(entries[1].metadata["status"] == "400" && entries[1].metadata["method"] == nil)
        }
    }
#endif
