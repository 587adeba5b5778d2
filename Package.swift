// swift-tools-version: 6.2
import PackageDescription

/// What every Swift target is compiled with: the strict language mode, and a warning is an error.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

/// What a message passes through is compiled without the checks of exclusive access that run as the code runs: they
/// took a quarter of the broker's time for a message. All that is built for debugging has them: the tests, the
/// simulation, the sanitizers.
let dataPath: [SwiftSetting] =
    strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// What `cola --version` says: who builds without git, as for a container, sets COLA_COMMIT.
let commit =
    Context.environment["COLA_COMMIT"]
    ?? Context.gitInformation.map { $0.currentCommit + ($0.hasUncommittedChanges ? " with changes" : "") }

let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let deque: Target.Dependency = .product(name: "DequeModule", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let ordered: Target.Dependency = .product(name: "OrderedCollections", package: "swift-collections")

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")

let package = Package(
    name: "cola",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "cola", targets: ["cola"]),
        .library(name: "ColaClient", targets: ["ColaClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // The core: values and pure machines.
        .target(name: "CChecksum"),
        .target(name: "CMalloc"),
        .target(name: "CBuild", cSettings: commit.map { [.define("COLA_COMMIT", to: "\"\($0)\"")] }),
        .target(name: "ColaCore", dependencies: ["CChecksum", deque, heap, ordered], swiftSettings: dataPath),

        // What the records of Kafka's producers are compressed with.
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CSnappy", pkgConfig: "snappy", providers: [.apt(["libsnappy-dev"])]),
        .target(
            name: "ColaCompression", dependencies: ["ColaCore", "CZlib", "CZstd", "CLZ4", "CSnappy"],
            swiftSettings: dataPath),

        // The disk.
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(
            name: "ColaStore", dependencies: ["ColaCore", "ColaCompression", "CSQLite", deque, ordered],
            swiftSettings: dataPath),

        // The wire: one target per protocol, none knows another.
        .target(name: "ColaNative", dependencies: ["ColaCore", nioCore], swiftSettings: dataPath),
        .target(name: "ColaAMQP", dependencies: ["ColaCore", nioCore, deque, ordered], swiftSettings: dataPath),
        .target(name: "ColaKafka", dependencies: ["ColaCore", nioCore, deque, ordered], swiftSettings: dataPath),

        // What is between the wire and a socket: apart, so that BoringSSL is built for nothing else.
        .target(name: "ColaTLS", dependencies: ["ColaCore", nioCore, nioSSL, nioTLS], swiftSettings: strict),

        // Processes that the broker is the parent of.
        .target(name: "CSpawn"),
        .target(name: "ColaWorkers", dependencies: ["ColaCore", "CSpawn", deque, ordered], swiftSettings: strict),

        // The process.
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .target(
            name: "ColaServer",
            dependencies: [
                "ColaCore", "ColaStore", "ColaNative", "ColaAMQP", "ColaKafka", "ColaTLS", "ColaWorkers", "CMalloc",
                nioCore, nioPosix, logging, lifecycle, signals, deque, ordered, crypto, cryptoExtras, "CYAML", "CBuild",
            ],
            swiftSettings: dataPath),
        .target(
            name: "ColaClient", dependencies: ["ColaCore", "ColaNative", nioCore, nioPosix, deque],
            swiftSettings: strict),
        .executableTarget(
            name: "cola",
            dependencies: [
                "ColaServer", "ColaClient", "ColaNative", "ColaAMQP", "ColaStore", "ColaCore", "ColaWorkers", arguments,
                nioCore, nioPosix, logging,
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: strict),

        // The tests.
        .target(
            name: "ColaTesting",
            dependencies: [
                "ColaCore", "ColaStore", "ColaNative", "ColaAMQP", "ColaServer", nioCore, nioEmbedded, logging, deque,
                ordered,
            ],
            swiftSettings: strict),
        .testTarget(name: "ColaCoreTests", dependencies: ["ColaCore", "ColaTesting"], swiftSettings: strict),
        .testTarget(
            name: "ColaCompressionTests", dependencies: ["ColaCompression", "ColaCore", "ColaTesting"],
            swiftSettings: strict),
        .testTarget(
            name: "ColaStoreTests",
            dependencies: ["ColaStore", "ColaCompression", "ColaCore", "ColaTesting", "CSQLite"],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "ColaNativeTests", dependencies: ["ColaNative", "ColaCore", "ColaTesting", nioCore],
            swiftSettings: strict),
        .testTarget(
            name: "ColaAMQPTests", dependencies: ["ColaAMQP", "ColaCore", "ColaTesting", nioCore],
            swiftSettings: strict),
        .testTarget(
            name: "ColaKafkaTests", dependencies: ["ColaKafka", "ColaCore", "ColaTesting", nioCore],
            swiftSettings: strict),
        .testTarget(
            name: "ColaTLSTests",
            dependencies: ["ColaTLS", "ColaCore", nioCore, nioPosix, nioSSL], exclude: ["Certificates"],
            swiftSettings: strict),
        .testTarget(
            name: "ColaWorkersTests", dependencies: ["ColaWorkers", "ColaCore", "ColaTesting", ordered],
            swiftSettings: strict),
        .testTarget(
            name: "ColaServerTests",
            dependencies: [
                "ColaServer", "ColaStore", "ColaNative", "ColaWorkers", "ColaCore", "ColaTesting", nioCore, nioEmbedded,
                logging, ordered,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ColaClientTests",
            dependencies: ["ColaClient", "ColaServer", "ColaTesting", nioCore, nioPosix, lifecycle],
            swiftSettings: strict),
        .testTarget(name: "SimulationTests", dependencies: ["ColaTesting"], swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),
    ]
)
