// swift-tools-version: 6.3
// Our side of the benchmarks: one program, `swiftlet-bench`. A package of its own, so that building the library never
// builds it; README.md says how it is run beside its peers.
import PackageDescription

let package = Package(
    name: "swiftlet-benchmarks",
    dependencies: [.package(name: "swiftlet", path: "..")],
    targets: [
        // CSwiftlet is no product, but its headers come with the library that is built on it.
        .target(name: "CRawSwitch", dependencies: [.product(name: "SwiftletCoroutines", package: "swiftlet")]),
        .executableTarget(
            name: "swiftlet-bench",
            dependencies: [
                "CRawSwitch",
                .product(name: "Swiftlet", package: "swiftlet"), .product(name: "SwiftletHTTP", package: "swiftlet"),
            ],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"),
                .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
                .enableUpcomingFeature("InferIsolatedConformances"),
                .treatAllWarnings(as: .error),
            ]),
    ]
)
