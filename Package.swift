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

/// A product that is fetched only if a trait is on.
func product(_ name: String, of package: String, trait: String) -> Target.Dependency {
    .product(name: name, package: package, condition: .when(traits: [trait]))
}

let logging = product("Logging", of: "swift-log", trait: "Logging")
let coreMetrics = product("CoreMetrics", of: "swift-metrics", trait: "Metrics")
let tracing = product("Tracing", of: "swift-distributed-tracing", trait: "Tracing")
let instrumentation = product("Instrumentation", of: "swift-distributed-tracing", trait: "Tracing")
let serviceLifecycle = product("ServiceLifecycle", of: "swift-service-lifecycle", trait: "ServiceLifecycle")
let httpTypes = Target.Dependency.product(name: "HTTPTypes", package: "swift-http-types")

let package = Package(
    name: "swiftlet",
    products: [
        .library(name: "Swiftlet", targets: ["Swiftlet"]),
        .library(name: "SwiftletCoroutines", targets: ["SwiftletCoroutines"]),
        .library(name: "SwiftletLoop", targets: ["SwiftletLoop"]),
        .library(name: "SwiftletAsyncIO", targets: ["SwiftletAsyncIO"]),
        .library(name: "SwiftletHTTP", targets: ["SwiftletHTTP"]),
        .library(name: "SwiftletInterpose", targets: ["SwiftletInterpose"]),
        .library(name: "SwiftletPreload", type: .dynamic, targets: ["CInterpose"]),
        .library(name: "SwiftletPool", targets: ["SwiftletPool"]),
        .library(name: "SwiftletInspect", targets: ["SwiftletInspect"]),
        .library(name: "SwiftletNATS", targets: ["SwiftletNATS"]),
        .library(name: "SwiftletTesting", targets: ["SwiftletTesting"]),
        .library(name: "SwiftletLogging", targets: ["SwiftletLogging"]),
        .library(name: "SwiftletMetrics", targets: ["SwiftletMetrics"]),
        .library(name: "SwiftletTracing", targets: ["SwiftletTracing"]),
        .library(name: "SwiftletServiceLifecycle", targets: ["SwiftletServiceLifecycle"]),
        .executable(name: "swiftlet", targets: ["SwiftletCommand"]),
    ],
    traits: [
        .trait(name: "TLS", description: "https and TLS streams, by OpenSSL (Debian: libssl-dev)"),
        .trait(name: "Zlib", description: "the content codings gzip and deflate, by zlib (Debian: zlib1g-dev)"),
        .trait(name: "Brotli", description: "the content coding br, by Brotli (Debian: libbrotli-dev)"),
        .trait(name: "Zstd", description: "the content coding zstd, by Zstandard (Debian: libzstd-dev)"),
        .trait(name: "Logging", description: "SwiftletLogging: reports and access logs go to swift-log"),
        .trait(name: "Metrics", description: "SwiftletMetrics: requests are counted and timed by swift-metrics"),
        .trait(name: "Tracing", description: "SwiftletTracing: spans of swift-distributed-tracing around requests"),
        .trait(name: "ServiceLifecycle", description: "SwiftletServiceLifecycle: servers in a ServiceGroup"),
        .trait(name: "NATS", description: "pools over many machines, by the C client of NATS (Debian: libnats-dev)"),
        .default(enabledTraits: ["TLS", "Zlib"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0", traits: []),
        // Of the bridges: not fetched unless their trait is on.
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.7.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.3.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.8.0"),
    ],
    targets: [
        .target(name: "CSwiftlet"),
        .target(name: "SwiftletCoroutines", dependencies: ["CSwiftlet"], swiftSettings: strict),
        .target(name: "SwiftletLoop", dependencies: ["CSwiftlet", "SwiftletCoroutines"], swiftSettings: strict),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(
            name: "CSwiftletTLS", dependencies: [.target(name: "COpenSSL", condition: .when(traits: ["TLS"]))],
            cSettings: [.define("SWIFTLET_TLS", .when(traits: ["TLS"]))]),
        .target(
            name: "SwiftletNet",
            dependencies: [
                "CSwiftlet", "SwiftletCoroutines", "SwiftletLoop",
                .target(name: "COpenSSL", condition: .when(traits: ["TLS"])),
                .target(name: "CSwiftletTLS", condition: .when(traits: ["TLS"])),
            ],
            swiftSettings: settings),
        .target(
            name: "SwiftletAsyncIO", dependencies: ["CSwiftlet", "SwiftletCoroutines", "SwiftletLoop"],
            swiftSettings: settings),
        .target(
            name: "Swiftlet", dependencies: ["SwiftletAsyncIO", "SwiftletCoroutines", "SwiftletLoop", "SwiftletNet"],
            swiftSettings: settings),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CBrotli", providers: [.apt(["libbrotli-dev"])]),
        .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
        .target(
            name: "SwiftletHTTP",
            dependencies: [
                "CSwiftlet", "Swiftlet", httpTypes,
                .target(name: "CZlib", condition: .when(traits: ["Zlib"])),
                .target(name: "CBrotli", condition: .when(traits: ["Brotli"])),
                .target(name: "CZstd", condition: .when(traits: ["Zstd"])),
            ],
            swiftSettings: settings),
        // Stands alone: it is also a library that is loaded before a program.
        .target(name: "CInterpose"),
        .target(
            name: "SwiftletInterpose", dependencies: ["CInterpose", "CSwiftlet", "SwiftletLoop"],
            swiftSettings: settings),
        .target(name: "CSwiftletPool"),
        .target(
            name: "SwiftletPool", dependencies: ["CSwiftlet", "CSwiftletPool", "SwiftletCoroutines", "SwiftletLoop"],
            swiftSettings: settings),
        .systemLibrary(name: "CNATS", pkgConfig: "libnats", providers: [.apt(["libnats-dev"])]),
        .target(
            name: "CSwiftletNATS", dependencies: [.target(name: "CNATS", condition: .when(traits: ["NATS"]))],
            cSettings: [.define("SWIFTLET_NATS", .when(traits: ["NATS"]))]),
        // Built without the trait, too: what it does then is to say so.
        .target(
            name: "SwiftletNATS",
            dependencies: [
                "CSwiftletNATS", "SwiftletCoroutines", "SwiftletLoop", "SwiftletPool",
                .target(name: "CNATS", condition: .when(traits: ["NATS"])),
            ],
            swiftSettings: settings),
        // Simulated loops for tests; it needs Swift Testing, so nothing else depends on it.
        .target(
            name: "SwiftletTesting", dependencies: ["CSwiftlet", "SwiftletCoroutines", "SwiftletLoop", "SwiftletNet"],
            swiftSettings: settings),
        .target(
            name: "SwiftletInspect", dependencies: ["CSwiftlet", "SwiftletCoroutines", "SwiftletLoop"],
            swiftSettings: settings),
        // Bridges to the server ecosystem's packages: each is empty unless its trait is on.
        .target(
            name: "SwiftletLogging", dependencies: ["Swiftlet", "SwiftletHTTP", httpTypes, logging],
            swiftSettings: settings),
        .target(
            name: "SwiftletMetrics", dependencies: ["Swiftlet", "SwiftletHTTP", httpTypes, coreMetrics],
            swiftSettings: settings),
        .target(
            name: "SwiftletTracing", dependencies: ["Swiftlet", "SwiftletHTTP", httpTypes, tracing, instrumentation],
            swiftSettings: settings),
        .target(
            name: "SwiftletServiceLifecycle", dependencies: ["Swiftlet", "SwiftletHTTP", serviceLifecycle],
            swiftSettings: settings),
        .executableTarget(
            name: "SwiftletCommand",
            dependencies: [
                "CSwiftlet", "Swiftlet", "SwiftletHTTP", "SwiftletInspect", "SwiftletNATS", "SwiftletPool", httpTypes,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings),
        .executableTarget(
            name: "SwiftletExamples",
            dependencies: ["CSwiftlet", "Swiftlet", "SwiftletHTTP", "SwiftletInterpose", "SwiftletPool", httpTypes],
            path: "Examples",
            swiftSettings: settings),
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .target(name: "CInterposeTestSupport", dependencies: ["CInterpose"], path: "Tests/CInterposeTestSupport"),
        .executableTarget(
            name: "TakeoverProgram", dependencies: ["CSwiftlet", "Swiftlet"], path: "Tests/TakeoverProgram",
            swiftSettings: settings),
        // A peer for the suites of other implementations.
        .executableTarget(
            name: "WebSocketProgram", dependencies: ["Swiftlet", "SwiftletHTTP"], path: "Tests/WebSocketProgram",
            swiftSettings: settings),
        // Counts what is allocated; of the benchmarks, which have a package of their own.
        .target(name: "CAllocationCount", path: "Benchmarks/Sources/CAllocationCount"),
        // What the fuzzer and the corpus test run on the parsers, and the parsers as a program.
        .target(
            name: "FuzzTargets", dependencies: ["SwiftletHTTP", httpTypes], path: "Tests/FuzzTargets",
            swiftSettings: settings),
        .executableTarget(
            name: "ParserProgram", dependencies: ["FuzzTargets", "SwiftletHTTP", httpTypes],
            path: "Tests/ParserProgram", swiftSettings: settings),
        // Programs on one primitive each, for any order of their turns; and what goes through a million of them.
        .target(
            name: "SchedulePrograms", dependencies: ["SwiftletCoroutines", "SwiftletLoop"],
            path: "Tests/SchedulePrograms", swiftSettings: settings),
        .executableTarget(
            name: "ScheduleProgram", dependencies: ["SchedulePrograms", "SwiftletTesting"],
            path: "Tests/ScheduleProgram", swiftSettings: settings),
        // Processes with something to see in them.
        .executableTarget(
            name: "InspectProgram", dependencies: ["Swiftlet", "SwiftletHTTP", "SwiftletInspect"],
            path: "Tests/InspectProgram", swiftSettings: settings),
        // Not linked with SwiftletInterpose: for `swiftlet run`.
        .executableTarget(
            name: "PreloadProgram", dependencies: ["Swiftlet"], path: "Tests/PreloadProgram", swiftSettings: settings),
        .target(
            name: "TestSupport", dependencies: ["CSwiftlet", "Swiftlet"], path: "Tests/TestSupport",
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletCoroutinesTests",
            dependencies: ["CSwiftlet", "SwiftletCoroutines", "CTestSupport", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "SwiftletLoopTests",
            dependencies: ["CSwiftlet", "Swiftlet", "SwiftletTesting", "TestSupport", "TakeoverProgram"],
            swiftSettings: settings),
        // Random interleavings of the primitives' operations: processor-bound, so apart from tests that look at the clock.
        .testTarget(
            name: "SwiftletModelTests", dependencies: ["CSwiftlet", "Swiftlet", "SwiftletTesting", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletTestingTests",
            dependencies: [
                "CSwiftlet", "SchedulePrograms", "Swiftlet", "SwiftletHTTP", "SwiftletTesting", "TestSupport",
                httpTypes,
            ],
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletAsyncIOTests",
            dependencies: ["CSwiftlet", "CTestSupport", "Swiftlet", "SwiftletTesting", "TestSupport"],
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletNetTests", dependencies: ["CSwiftlet", "Swiftlet", "TestSupport"], swiftSettings: settings),
        .testTarget(
            name: "SwiftletHTTPTests",
            dependencies: [
                "CAllocationCount", "CSwiftlet", "FuzzTargets", "Swiftlet", "SwiftletHTTP", "SwiftletTesting",
                "TestSupport", httpTypes,
            ],
            swiftSettings: settings),
        // Empty without the bridges' traits.
        .testTarget(
            name: "SwiftletBridgeTests",
            dependencies: [
                "Swiftlet", "SwiftletHTTP", "SwiftletLogging", "SwiftletMetrics", "SwiftletServiceLifecycle",
                "SwiftletTracing", "TestSupport", httpTypes, logging, coreMetrics, tracing, instrumentation,
                serviceLifecycle, product("MetricsTestKit", of: "swift-metrics", trait: "Metrics"),
                product("InMemoryTracing", of: "swift-distributed-tracing", trait: "Tracing"),
            ],
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletInterposeTests",
            dependencies: ["CInterposeTestSupport", "Swiftlet", "SwiftletInterpose", "TestSupport"],
            swiftSettings: settings),
        .target(
            name: "PoolTestJobs", dependencies: ["SwiftletLoop", "SwiftletPool"], path: "Tests/PoolTestJobs",
            swiftSettings: settings),
        .executableTarget(
            name: "PoolTestProgram", dependencies: ["PoolTestJobs", "SwiftletLoop", "SwiftletPool"],
            path: "Tests/PoolTestProgram", swiftSettings: settings),
        .testTarget(
            name: "SwiftletPoolTests",
            dependencies: [
                "CSwiftlet", "CSwiftletPool", "PoolTestJobs", "PoolTestProgram", "Swiftlet", "SwiftletPool",
                "TestSupport",
            ],
            swiftSettings: settings),
        .testTarget(
            name: "SwiftletInspectTests",
            dependencies: ["CSwiftlet", "Swiftlet", "SwiftletInspect", "TestSupport"], swiftSettings: settings),
        .executableTarget(
            name: "NATSTestProgram", dependencies: ["PoolTestJobs", "SwiftletLoop", "SwiftletNATS", "SwiftletPool"],
            path: "Tests/NATSTestProgram", swiftSettings: settings),
        // With the trait NATS, against real servers; without it, that the absence is told.
        .testTarget(
            name: "SwiftletNATSTests",
            dependencies: [
                "CSwiftlet", "NATSTestProgram", "PoolTestJobs", "Swiftlet", "SwiftletNATS", "SwiftletPool",
                "TestSupport",
            ],
            swiftSettings: settings),
        // Runs the built programs: the examples and the command.
        .testTarget(
            name: "SwiftletProgramTests",
            dependencies: [
                "InspectProgram", "SwiftletExamples", "SwiftletCommand", "SwiftletInspect", "PreloadProgram",
                "Swiftlet", "TestSupport",
            ],
            swiftSettings: settings),
    ]
)
