import Swiftlet
import SwiftletHTTP

/// Answers `Hello`, as the benchmark's server does: what inspection and recording cost is measured on it.
func serve(_ port: Int) throws {
    var configuration = HTTPServer.Configuration()
    configuration.port = port
    let server = HTTPServer(configuration)
    server.get("/") { _ in "Hello" }
    try server.start()
    say("ready \(server.port)")
    try sleep(.seconds(1000))
}
