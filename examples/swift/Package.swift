// swift-tools-version: 6.0
// Programs that use the package of bindings/swift. In this folder, on Linux:
//
//     ../../bindings/uniffi/build.sh swift
//     export LD_LIBRARY_PATH=$PWD/../../bindings/swift/lib
//     swift run -Xlinker -L$LD_LIBRARY_PATH Address stun.example.org
//     swift run -Xlinker -L$LD_LIBRARY_PATH Mobile 127.0.0.1:3478
//
// The second wants a server on this machine, such as `cargo run --example server -- 0.0.0.0:3478`.
import PackageDescription

// A package is known by the name of its folder, and both folders are called swift: hence the link.
let package = Package(
    name: "StunExamples",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: "Stun")],
    targets: [
        .executableTarget(name: "Address", dependencies: [.product(name: "Stun", package: "Stun")]),
        .executableTarget(name: "Mobile", dependencies: [.product(name: "Stun", package: "Stun")]),
    ],
    swiftLanguageModes: [.v6]
)
