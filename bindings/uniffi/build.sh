#!/bin/sh
# Builds libstun_mobile, and puts it where the packages look for it, with the sources that are generated from it:
#
#   bindings/uniffi/build.sh kotlin swift
#
# Both always come from one build: the sources refuse another library. FEATURES=five-calls is for the benchmarks only,
# which take theirs from below another folder, OUT; what is built without it afterwards is without it again.
set -eu
cd "$(dirname "$0")/../.."

usage() {
    echo "usage: bindings/uniffi/build.sh kotlin|swift..." >&2
    exit 2
}

[ $# -gt 0 ] || usage
for language in "$@"; do
    case $language in kotlin | swift) ;; *) usage ;; esac
done
target=${CARGO_TARGET_DIR:-$PWD/target}
features=${FEATURES:+--features $FEATURES}
out=${OUT:-.}

case $(uname -s) in
    Darwin) library=libstun_mobile.dylib os=darwin ;;
    *) library=libstun_mobile.so os=linux ;;
esac
# As JNA names platforms.
case $(uname -m) in
    arm64 | aarch64) platform=$os-aarch64 ;;
    x86_64 | amd64) platform=$os-x86-64 ;;
    *) echo "bindings/uniffi/build.sh: JNA's name for $(uname -m) is not known here" >&2; exit 1 ;;
esac

# -p alone: nothing of the workspace's other packages may get into it.
# shellcheck disable=SC2086
cargo build --quiet --locked --profile dist -p libstun-uniffi $features
cargo build --quiet --locked -p libstun-bindgen

# What is shipped: the symbols that are linked against, and no others.
ship() {
    mkdir -p "$1"
    rm -f "$1/$library"
    if [ "$os" = linux ]; then
        strip --strip-unneeded -o "$1/$library" "$target/dist/$library"
    else
        cp "$target/dist/$library" "$1/$library"
    fi
}

generate() {
    rm -rf "$2"
    mkdir -p "$2"
    "$target/debug/libstun-bindgen" "$target/dist/$library" "$1" "$2"
}

for language in "$@"; do
    case $language in
        kotlin)
            generate kotlin "$out/bindings/kotlin/target/generated-sources/uniffi"
            ship "$out/bindings/kotlin/target/natives/$platform"
            ;;
        swift)
            generate swift "$target/swift-sources"
            mkdir -p "$out/bindings/swift/Sources/StunRaw" "$out/bindings/swift/Sources/StunFFI"
            cp "$target/swift-sources/StunRaw.swift" "$out/bindings/swift/Sources/StunRaw/"
            cp "$target/swift-sources/StunFFI.h" "$out/bindings/swift/Sources/StunFFI/"
            ship "$out/bindings/swift/lib"
            ;;
    esac
done
