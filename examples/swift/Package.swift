// swift-tools-version: 6.0
// Programs that use the package of bindings/swift, whose library has been built: see there.
//
//     swift run -Xlinker -L../../bindings/swift/lib Address stun.example.org
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
