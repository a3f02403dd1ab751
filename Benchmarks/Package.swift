// swift-tools-version: 6.3
// Our side of the benchmarks, `swiftlet-bench`; `swiftlet-storm`, which backtraces switching stacks; `swiftlet-soak`, which
// looks at memory after ten million coroutines; `swiftlet-allocations`, which counts what a request allocates. A package of its own, so that building the library never builds it; README.md says how the benchmarks are run beside their peers.
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .treatAllWarnings(as: .error),
]

// NATS needs libnats-dev, which the others can do without.
let withNATS = Context.environment["SWIFTLET_NATS"] != nil

let package = Package(
    name: "swiftlet-benchmarks",
    dependencies: [.package(name: "swiftlet", path: "..", traits: withNATS ? [.defaults, "NATS"] : [.defaults])],
    targets: [
        // CSwiftlet is no product, but its headers come with the library that is built on it.
        .target(name: "CRawSwitch", dependencies: [.product(name: "SwiftletCoroutines", package: "swiftlet")]),
        .executableTarget(
            name: "swiftlet-bench",
            dependencies: [
                "CRawSwitch",
                .product(name: "Swiftlet", package: "swiftlet"), .product(name: "SwiftletHTTP", package: "swiftlet"),
                .product(name: "SwiftletNATS", package: "swiftlet"),
                .product(name: "SwiftletPool", package: "swiftlet"),
            ],
            swiftSettings: settings),
        // What a request allocates. A program of its own, since counting costs a little.
        .target(name: "CAllocationCount"),
        .executableTarget(
            name: "swiftlet-allocations",
            dependencies: [
                "CAllocationCount",
                .product(name: "Swiftlet", package: "swiftlet"), .product(name: "SwiftletHTTP", package: "swiftlet"),
            ],
            swiftSettings: settings),
        .target(name: "CStorm"),
        .executableTarget(
            name: "swiftlet-storm", dependencies: ["CStorm", .product(name: "Swiftlet", package: "swiftlet")],
            swiftSettings: settings),
        .executableTarget(
            name: "swiftlet-soak", dependencies: [.product(name: "Swiftlet", package: "swiftlet")],
            swiftSettings: settings),
    ]
)
