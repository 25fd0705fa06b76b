#!/usr/bin/env bash
# The Swift package: its library is built and weighed, its sources are generated, Swift compiles and tests it all, and the
# samples run. Where there is no Swift (see swift_place.sh) it is skipped, loudly; in CI that is a failure.
set -u
cd "$(dirname "$0")/../.." || exit 1
project=$PWD
BUILD=${BUILD:-$PWD/target/checks}/swift
mkdir -p "$BUILD"
. tests/tools/report.sh
. tests/interop/helpers.sh
. tests/tools/swift_place.sh

give_up() {
    echo "swift: $*" >&2
    echo "swift: $passed passed, $((failed + 1)) failed, $skipped skipped"
    exit 1
}

if ! find_swift libstun-swift; then
    echo "swift: THE SWIFT PACKAGE IS NOT TESTED" >&2
    echo "swift: $passed passed, $failed failed, 1 skipped"
    exit 0
fi
trap leave_swift EXIT

# XCTest closes with "Executed 12 tests, with 1 test skipped and 2 failures (0 unexpected) in 1.2 seconds".
count() {
    local line
    line=$(grep -o 'Executed [0-9]* tests\?, with .*' "$BUILD/tests.log" | tail -n 1)
    tests=$(echo "$line" | sed -n 's/^Executed \([0-9]*\).*/\1/p')
    tests_failed=$(echo "$line" | sed -n 's/.* \([0-9]*\) failures\?.*/\1/p')
    tests_skipped=$(echo "$line" | sed -n 's/.* \([0-9]*\) tests\? skipped.*/\1/p')
    : "${tests:=0}" "${tests_failed:=0}" "${tests_skipped:=0}"
}

bindings/uniffi/build.sh swift || give_up "the library could not be built"
check "the library is small, and alone" tests/tools/mobile_library.sh bindings/swift/lib/libstun_mobile.*
copy "$project" bindings/swift examples/swift include tests/vectors
lib=$place/bindings/swift/lib
environment=("LD_LIBRARY_PATH=$lib" "LIBSTUN_VECTORS=$place/tests/vectors")

# A coturn for the driver's tests, beside Swift and not inside its folder: loopback is the same.
bindings/swift/Tests/coturn.sh >"$BUILD/turn.env" 2>"$BUILD/turn.log" &
turn=$!
# Our own server, for the samples.
cargo run --quiet --locked --example server -- 127.0.0.1:0 >"$BUILD/server.out" 2>&1 &
server=$!
trap 'stop "$turn"; stop "$server"; leave_swift' EXIT
eventually_ready() { grep -q PASSWORD "$BUILD/turn.env" && [ -n "$(listening udp 127.0.0.1)" ]; }
for _ in 1 2 3 4 5 6 7 8; do
    eventually eventually_ready && break
done
eventually_ready || { cat "$BUILD/turn.log" "$BUILD/server.out" >&2; give_up "a server that the tests need does not answer"; }
while read -r line; do environment+=("$line"); done <"$BUILD/turn.env"

# The time limits only turn a loop without end into a failure.
rm -f "$BUILD/tests.log"
there bindings/swift timeout 900 swift test -Xlinker "-L$lib" >"$BUILD/tests.log" 2>&1 || broken=1
grep -E 'error:|warning: (unre|var|imm)|failed|Executed' "$BUILD/tests.log" | tail -n 40
count
passed=$((passed + tests - tests_failed - tests_skipped)) failed=$((failed + tests_failed)) skipped=$((skipped + tests_skipped))
# What does not compile, or ends early, has no tests that fail.
if [ -n "${broken:-}" ] && [ "$tests_failed" = 0 ] || [ "$tests" = 0 ]; then
    failed=$((failed + 1))
    tail -n 60 "$BUILD/tests.log" >&2
fi

without_warnings() { ! grep -E '/(Sources/Stun|Tests|examples)/.*warning:' "$BUILD/tests.log"; }
says() {
    there examples/swift timeout 120 ".build/debug/$2" "${@:3}" | tee "$BUILD/out"
    grep -qE "$1" "$BUILD/out"
}
port=$(listening udp 127.0.0.1)
check "no warnings" without_warnings
check "nothing of the generated layer shows in public" there bindings/swift Tests/interface.sh
check "the samples build" there examples/swift timeout 900 swift build -Xlinker "-L$lib"
check "the public address in five lines" says '^127\.0\.0\.1:' Address "127.0.0.1:$port"
check "what an app on a phone does" says 'idle' Mobile "127.0.0.1:$port"

echo "swift: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
