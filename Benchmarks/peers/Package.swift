// swift-tools-version: 6.0
// The Swift peers: programs on Swift's own concurrency, without any package. Each lies in its workload's folder.
import PackageDescription

func program(_ name: String, _ path: String) -> Target {
    .executableTarget(
        name: name, dependencies: ["PeerSupport"], path: path, swiftSettings: [.swiftLanguageMode(.v5)])
}

let package = Package(
    name: "peers",
    targets: [
        .target(name: "PeerSupport", path: "common/PeerSupport", swiftSettings: [.swiftLanguageMode(.v5)]),
        program("switch-swift", "switch/swift"),
        program("generator-swift", "generator/swift"),
        program("spawn-swift", "spawn_join/swift"),
        program("memory-swift", "memory/swift"),
        program("sleepers-swift", "sleepers/swift"),
        program("channel-swift", "channel/swift"),
    ]
)
