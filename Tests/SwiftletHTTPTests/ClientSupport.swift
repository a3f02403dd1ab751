import HTTPTypes
import Swiftlet
import Testing

@testable import SwiftletHTTP

extension ConnectionPool {
    /// Connections in use, those that wait, and requests that wait for one.
    var counts: (used: Int, waiting: Int, queued: Int) {
        let statistics = statistics
        return (statistics.connectionsInUse, statistics.idleConnections, statistics.queueLength)
    }
}

/// A configuration with some things set.
func configured(_ change: (inout HTTPClient.Configuration) throws -> Void) rethrows -> HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration()
    try change(&configuration)
    return configuration
}
