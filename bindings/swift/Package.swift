// swift-tools-version: 6.0
// The library comes first: bindings/uniffi/build.sh swift puts it in lib/ and its generated sources in Sources/, and on
// Apple platforms StunMobile.xcframework beside this file. Then `swift build -Xlinker -L$PWD/lib`.
import PackageDescription

let library = Target.systemLibrary(name: "StunFFI", path: "Sources/StunFFI")

// A manifest is evaluated on the host, and only Apple's hosts can read an XCFramework. Both define the module StunFFI,
// so a target platform gets one of them.
#if !os(macOS)
    let native = [library]
    let nativeDependencies: [Target.Dependency] = ["StunFFI"]
#else
    let native = [library, .binaryTarget(name: "StunMobile", path: "StunMobile.xcframework")]
    let nativeDependencies: [Target.Dependency] = [
        .target(name: "StunFFI", condition: .when(platforms: [.linux, .android])),
        .target(
            name: "StunMobile",
            condition: .when(platforms: [.macOS, .macCatalyst, .iOS, .tvOS, .watchOS, .visionOS])),
    ]
#endif

let package = Package(
    name: "Stun",
    platforms: [.macOS(.v13), .macCatalyst(.v16), .iOS(.v16), .tvOS(.v16), .watchOS(.v9), .visionOS(.v1)],
    products: [.library(name: "Stun", targets: ["Stun"])],
    targets: native + [
        // Generated code is older in style than the language; what is written here is not.
        .target(name: "StunRaw", dependencies: nativeDependencies, swiftSettings: [.swiftLanguageMode(.v5)]),
        .target(name: "Stun", dependencies: ["StunRaw"]),
        .testTarget(name: "StunTests", dependencies: ["Stun"]),
    ],
    swiftLanguageModes: [.v6]
)

// What one crossing for a datagram saves over five. It needs a library that has the five calls too:
// FEATURES=five-calls bindings/uniffi/build.sh swift, then STUN_BENCHMARKS=1 swift run -c release Benchmarks.
if Context.environment["STUN_BENCHMARKS"] != nil {
    package.targets.append(
        .executableTarget(name: "Benchmarks", dependencies: ["Stun", "StunRaw"], path: "Benchmarks"))
}
