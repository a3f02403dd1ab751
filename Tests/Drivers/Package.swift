// swift-tools-version: 6.3
// Unmodified C drivers under `patchAll`, against real servers. A package of its own: the library needs none of these
// drivers, and builds on machines that have none. `make drivers` installs them and runs this.
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .treatAllWarnings(as: .error),
]

let swiftlet: [Target.Dependency] = [
    .product(name: "Swiftlet", package: "swiftlet"), .product(name: "SwiftletInterpose", package: "swiftlet"),
]

let package = Package(
    name: "swiftlet-drivers",
    dependencies: [.package(name: "swiftlet", path: "../..")],
    targets: [
        .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CRedis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CCurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CMariaDB", pkgConfig: "libmariadb", providers: [.apt(["libmariadb-dev"])]),
        .target(name: "DriverServers", swiftSettings: settings),
        .executableTarget(
            name: "DriverExamples",
            dependencies: swiftlet + [
                "CPostgres", "CRedis", "CCurl", .product(name: "SwiftletHTTP", package: "swiftlet"),
            ],
            swiftSettings: settings),
        .executableTarget(name: "LockExperiment", dependencies: swiftlet, swiftSettings: settings),
        .executableTarget(name: "FiberHost", dependencies: swiftlet, swiftSettings: settings),
        .testTarget(
            name: "DriverTests",
            dependencies: swiftlet + [
                "CPostgres", "CRedis", "CCurl", "CMariaDB", "DriverServers", "DriverExamples",
            ],
            swiftSettings: settings),
    ]
)
