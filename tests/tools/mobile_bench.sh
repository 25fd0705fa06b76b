#!/usr/bin/env bash
# What a call costs from Kotlin and from Swift: one crossing for a datagram, beside the loop of five calls. The library is
# built apart, since what is shipped has no such calls.
set -eu
cd "$(dirname "$0")/../.."
project=$PWD
out=$project/target/five
environment=()
give_up() { echo "$*" >&2; exit 1; }
. tests/tools/swift_place.sh

mkdir -p "$out/bindings"
rm -rf "$out/bindings/swift"
tar --exclude=.build --exclude=lib -cf - bindings/swift | tar -C "$out" -xf -
FEATURES=five-calls CARGO_TARGET_DIR=$out/cargo OUT=$out bindings/uniffi/build.sh kotlin swift

echo "Kotlin:"
mvn --batch-mode --no-transfer-progress --quiet -Dstyle.color=never -f bindings/kotlin/benches/pom.xml compile exec:exec \
    "-Dfive.sources=$out/bindings/kotlin/target/generated-sources/uniffi" \
    "-Dfive.library=$(echo "$out"/bindings/kotlin/target/natives/*)"

echo "Swift:"
find_swift libstun-swift-bench
trap leave_swift EXIT
[ -n "$root" ] || place=$out
copy "$out" bindings/swift
environment=(STUN_BENCHMARKS=1 "LD_LIBRARY_PATH=$place/bindings/swift/lib")
there bindings/swift swift run -c release -Xlinker "-L$place/bindings/swift/lib" Benchmarks
