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

let package = Package(
    name: "swiftlet",
    products: [.library(name: "SwiftletCoroutines", targets: ["SwiftletCoroutines"])],
    targets: [
        .target(name: "CSwiftlet"),
        .target(name: "SwiftletCoroutines", dependencies: ["CSwiftlet"], swiftSettings: strict),
    ]
)
