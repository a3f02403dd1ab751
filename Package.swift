// swift-tools-version: 6.3
import PackageDescription

/// Settings of every Swift target. The upcoming features are those the server ecosystem has settled on.
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .treatAllWarnings(as: .error),
]

/// The two lowest Swift targets touch raw stacks: there every unsafe step is marked.
let strict = settings + [.strictMemorySafety()]

let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")

let package = Package(
    name: "swiftlet",
    products: [
        .library(name: "Swiftlet", targets: ["Swiftlet"]),
        .library(name: "SwiftletCoroutines", targets: ["SwiftletCoroutines"]),
        .library(name: "SwiftletLoop", targets: ["SwiftletLoop"]),
        .library(name: "SwiftletAsyncIO", targets: ["SwiftletAsyncIO"]),
        .library(name: "SwiftletHTTP", targets: ["SwiftletHTTP"]),
        .library(name: "SwiftletTesting", targets: ["SwiftletTesting"]),
        .executable(name: "swiftlet", targets: ["SwiftletCommand"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
    ],
    targets: [
        .target(name: "CSwiftlet"),
        .target(name: "SwiftletCoroutines", dependencies: ["CSwiftlet"], swiftSettings: strict),
        .target(name: "SwiftletLoop", dependencies: ["CSwiftlet", "SwiftletCoroutines"], swiftSettings: strict),
        .target(
            name: "SwiftletNet", dependencies: ["CSwiftlet", "SwiftletCoroutines", "SwiftletLoop"],
            swiftSettings: settings),
        .target(
            name: "SwiftletAsyncIO", dependencies: ["CSwiftlet", "SwiftletCoroutines", "SwiftletLoop"],
            swiftSettings: settings),
        .target(
            name: "Swiftlet", dependencies: ["SwiftletAsyncIO", "SwiftletCoroutines", "SwiftletLoop", "SwiftletNet"],
            swiftSettings: settings),
        .target(name: "SwiftletHTTP", dependencies: ["Swiftlet", httpTypes], swiftSettings: settings),
        // Simulated loops for tests; it needs Swift Testing, so nothing else depends on it.
        .target(
            name: "SwiftletTesting", dependencies: ["CSwiftlet", "SwiftletCoroutines", "SwiftletLoop"],
            swiftSettings: settings),
        .executableTarget(
            name: "SwiftletCommand",
            dependencies: [
                "CSwiftlet", "Swiftlet", "SwiftletHTTP",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "SwiftletExamples", dependencies: ["Swiftlet", "SwiftletHTTP"], path: "Examples",
            swiftSettings: settings),
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .executableTarget(
            name: "TakeoverProgram", dependencies: ["CSwiftlet", "Swiftlet"], path: "Tests/TakeoverProgram",
            swiftSettings: settings),
        .target(
            name: "TestSupport", dependencies: ["CSwiftlet", "Swiftlet"], path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletCoroutinesTests",
            dependencies: ["CSwiftlet", "SwiftletCoroutines", "CTestSupport", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "SwiftletLoopTests", dependencies: ["CSwiftlet", "Swiftlet", "TestSupport", "TakeoverProgram"],
            swiftSettings: settings),
        // Random interleavings of the primitives' operations: processor-bound, so apart from tests that look at the clock.
        .testTarget(
            name: "SwiftletModelTests", dependencies: ["CSwiftlet", "Swiftlet", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "SwiftletTestingTests", dependencies: ["CSwiftlet", "Swiftlet", "SwiftletTesting", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletAsyncIOTests", dependencies: ["CSwiftlet", "Swiftlet", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletNetTests", dependencies: ["CSwiftlet", "Swiftlet", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "SwiftletHTTPTests",
            dependencies: ["CSwiftlet", "Swiftlet", "SwiftletHTTP", "TestSupport", httpTypes],
            swiftSettings: settings),
        // Runs the built programs: the examples and the command.
        .testTarget(
            name: "SwiftletProgramTests", dependencies: ["SwiftletExamples", "SwiftletCommand"],
            swiftSettings: settings),
    ]
)
