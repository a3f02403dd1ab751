import Swiftlet

/// E28: E27 through `AsyncIO.run`.
func asyncIORun() throws {
    let waits = randomWaits()
    _ = try AsyncIO.run {
        try await gather(waits.enumerated().map { waitAndEcho($0, seconds: $1) })
    }
}
