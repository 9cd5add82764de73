// swift-tools-version: 6.2
// The one list of rooms and of the arrows between them; scripts/check-arrows compares every
// `import` line in Sources with the dependencies written here.

import PackageDescription

/// Settings that every Swift target shares: Swift 6 mode, warnings are errors.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// NETEMU_FUZZ=1 builds the rooms with libFuzzer's instrumentation and Fuzz/NAME as programs, and nothing else.
let isFuzzing = Context.environment["NETEMU_FUZZ"] == "1"
/// For size: instrumented, that takes a quarter less time to compile.
let instrumented: [SwiftSetting] =
    isFuzzing ? [.unsafeFlags(["-sanitize=fuzzer,address", "-parse-as-library", "-Osize"])] : []

func room(_ name: String, imports: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: imports, swiftSettings: strict + instrumented)
}

func tests(of name: String, imports: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(name)Tests", dependencies: [.target(name: name)] + imports, swiftSettings: strict)
}

/// A program under Examples/NAME that shows how a library product is used.
func example(_ name: String, imports: [Target.Dependency]) -> Target {
    .executableTarget(
        name: "example-\(name)", dependencies: imports, path: "Examples/\(name)", swiftSettings: strict)
}

/// A program under Fuzz/NAME for the border that it feeds with arbitrary bytes; its corpus is Fuzz/Corpus/NAME.
func fuzzer(_ name: String, imports: [Target.Dependency]) -> Target {
    .executableTarget(
        name: "fuzz-\(name)", dependencies: imports + ["FuzzMain"], path: "Fuzz/\(name)",
        swiftSettings: strict + instrumented,
        linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])])
}

/// What ships and what tests link.
let rooms: [Target] = [
    .target(name: "CLinux"),
    .systemLibrary(name: "CNettle", pkgConfig: "nettle", providers: [.apt(["nettle-dev"])]),
    room("Bytes"),
    room("Link", imports: ["Bytes"]),
    room("NetStack", imports: ["Link", "Bytes"]),
    .systemLibrary(name: "CCap", pkgConfig: "libcap", providers: [.apt(["libcap-dev"])]),
    .systemLibrary(name: "CSeccomp", pkgConfig: "libseccomp", providers: [.apt(["libseccomp-dev"])]),
    room("Linux", imports: ["CLinux", "CCap", "CSeccomp"]),
    room("Virtio", imports: ["Link", "Linux", "CLinux"]),
    room("VhostUser", imports: ["Virtio", "Bytes", "Linux"]),
    room("PasstLauncher", imports: ["Linux"]),
    room("RepairHelper", imports: ["Linux", "Bytes"]),
    room("Migration", imports: ["Bytes", "Linux"]),
    room("Netdevs", imports: ["Link", "Linux", "CLinux"]),
    room("GuestNode", imports: ["Virtio", "NetStack", "Link", "Bytes", "CNettle"]),
    room(
        "NetEmu",
        imports: [
            "Bytes", "Link", "Linux", "Virtio", "VhostUser", "PasstLauncher", "GuestNode", "Netdevs", "Migration",
        ]),
]

/// One program for each library product, built with the rest and run by Tests/EndToEndTests/ExampleTests.
let examples: [Target] = [
    example("reactor-and-child", imports: ["Linux"]),
    example("hub-and-capture", imports: ["Link", "Bytes"]),
    example("two-hosts", imports: ["NetStack", "Link", "Bytes"]),
    example("rings-in-process", imports: ["Virtio", "Link"]),
    example("vhost-user-features", imports: ["VhostUser", "Virtio", "Linux"]),
    example("driver-on-passt", imports: ["VhostUser", "Virtio", "NetStack", "Link", "Linux", "Bytes"]),
    example("move-a-counter", imports: ["Migration", "Bytes", "Linux"]),
    example("supervised-passt", imports: ["PasstLauncher", "Linux"]),
    .executableTarget(
        name: "move-connection", dependencies: ["RepairHelper", "Linux", "CLinux"], path: "Examples/move-connection",
        swiftSettings: strict),
]

let programs: [Target] =
    [
        .executableTarget(name: "netemu-cli", dependencies: ["NetEmu"], swiftSettings: strict),
        .executableTarget(name: "netemu-repair-cli", dependencies: ["RepairHelper"], swiftSettings: strict),
        // Both ends of a ring in C: what `netemu-bench bench ring` measures itself against.
        .target(name: "CRingPeer"),
        // Fixed pieces of work for the gates and the benchmarks, and the gates as a program: it needs none of the high
        // rooms, so that its release is quick to build.
        .target(
            name: "BenchLoops",
            dependencies: ["CRingPeer", "Bytes", "Link", "Linux", "NetStack", "VhostUser", "Virtio"],
            swiftSettings: strict),
        .executableTarget(name: "netemu-gates", dependencies: ["BenchLoops"], swiftSettings: strict),
        .executableTarget(
            name: "netemu-bench",
            dependencies: [
                "BenchLoops", "TestSupport", "PasstSession", "CLinux", "Bytes", "GuestNode", "Linux", "NetStack",
                "VhostUser", "Virtio",
                "Link", "NetEmu",
            ], swiftSettings: strict),
    ] + examples

let testing: [Target] = [
    // Peers, namespaces, children and scripted ports for the tests of every room; not a product.
    .target(
        name: "TestSupport", dependencies: ["Link", "Linux", "CLinux"], path: "Tests/TestSupport",
        swiftSettings: strict),
    // What a guest talks to on the host: echo, source, sink, http, dns.
    .executableTarget(
        name: "host-peer", dependencies: ["CNettle"], path: "Tests/HostPeer", swiftSettings: strict),
    // What TCP_REPAIR does to real connections, in namespaces of its own.
    .executableTarget(
        name: "repair-lab", dependencies: ["RepairHelper", "Linux", "Bytes", "CLinux"],
        path: "Tests/Programs/repair-lab",
        swiftSettings: strict),
    // A node moved between two real passt, for tests and measurements of netemu-repair.
    .target(
        name: "PasstSession",
        dependencies: [
            "TestSupport", "Bytes", "CLinux", "GuestNode", "Link", "Linux", "NetStack", "VhostUser", "Virtio",
        ],
        path: "Tests/PasstSession", swiftSettings: strict),
    tests(of: "RepairHelper", imports: ["Linux", "CLinux", "Bytes", "TestSupport", "PasstSession"]),
    // A program with a minder: forking one needs a process without threads.
    .executableTarget(
        name: "minder-probe", dependencies: ["Linux", "PasstLauncher"], path: "Tests/Programs/minder-probe",
        swiftSettings: strict),
    // netemu's sandbox from inside: what somebody who runs code there would try.
    .target(name: "CAttempts", path: "Tests/Programs/CAttempts"),
    .executableTarget(
        name: "sandbox-probe", dependencies: ["NetEmu", "Linux", "CAttempts"], path: "Tests/Programs/sandbox-probe",
        swiftSettings: strict),
    tests(of: "Bytes"),
    tests(of: "Link", imports: ["TestSupport"]),
    tests(of: "Netdevs", imports: ["Link", "Bytes", "Linux", "TestSupport"]),
    tests(of: "NetStack", imports: ["Link", "Bytes"]),
    tests(of: "Linux", imports: ["CLinux", "Bytes", "TestSupport"]),
    tests(of: "Virtio", imports: ["Link", "Bytes", "Linux", "TestSupport"]),
    tests(of: "VhostUser", imports: ["Virtio", "Link", "Bytes", "Linux", "CLinux", "TestSupport"]),
    tests(of: "Migration", imports: ["Bytes", "Linux"]),
    tests(of: "PasstLauncher", imports: ["Linux", "CLinux", "TestSupport"]),
    tests(of: "GuestNode", imports: ["Virtio", "NetStack", "Link", "Bytes", "Linux", "TestSupport"]),
    tests(
        of: "NetEmu",
        imports: [
            "Bytes", "GuestNode", "Linux", "Link", "Migration", "PasstLauncher", "PasstSession", "TestSupport",
            "Virtio", "VhostUser",
        ]),
    .testTarget(
        name: "EndToEndTests", dependencies: ["TestSupport", "Bytes", "CLinux", "Linux"], swiftSettings: strict),
]

let fuzzers: [Target] = [
    .target(name: "FuzzMain", path: "Fuzz/Main", swiftSettings: strict + instrumented),
    fuzzer("options", imports: ["NetEmu"]),
    fuzzer("json", imports: ["NetEmu"]),
    fuzzer("shell", imports: ["GuestNode", "Virtio", "Bytes"]),
    fuzzer("curl", imports: ["GuestNode", "NetStack", "Virtio", "Bytes"]),
    fuzzer("vhost-codec", imports: ["VhostUser", "Linux"]),
    fuzzer("vhost-frontend", imports: ["VhostUser", "Virtio", "Bytes", "Linux"]),
    fuzzer("minder", imports: ["Linux"]),
    fuzzer("repair", imports: ["RepairHelper", "Linux", "Bytes"]),
    fuzzer("migration", imports: ["Migration", "Bytes"]),
    fuzzer("frames", imports: ["NetStack", "Link", "Bytes"]),
    fuzzer("tcp", imports: ["NetStack", "Link", "Bytes"]),
    fuzzer("frame-backend", imports: ["Virtio", "Link"]),
    fuzzer("ring-peers", imports: ["Virtio", "Link", "Linux"]),
    fuzzer("sections", imports: ["GuestNode", "NetStack", "Virtio", "Link", "Bytes"]),
    fuzzer("stream", imports: ["Netdevs", "Link", "Linux"]),
]

let products: [Product] =
    isFuzzing
    ? []
    : [
        .executable(name: "netemu", targets: ["netemu-cli"]),
        .executable(name: "netemu-repair", targets: ["netemu-repair-cli"]),
    ]

let package = Package(
    name: "netemu",
    products: products + [
        .library(name: "Bytes", targets: ["Bytes"]),
        .library(name: "Link", targets: ["Link"]),
        .library(name: "Linux", targets: ["Linux"]),
        .library(name: "NetStack", targets: ["NetStack"]),
        .library(name: "Virtio", targets: ["Virtio"]),
        .library(name: "VhostUser", targets: ["VhostUser"]),
        .library(name: "Migration", targets: ["Migration"]),
        .library(name: "PasstLauncher", targets: ["PasstLauncher"]),
        .library(name: "RepairHelper", targets: ["RepairHelper"]),
    ],
    targets: rooms + (isFuzzing ? fuzzers : programs + testing),
    swiftLanguageModes: [.v6]
)
