#!/usr/bin/env bash
# The Kotlin package: its library is built and weighed, its sources are generated, Maven compiles and tests it all.
#
# Maven keeps what it downloads in its own folder in the user's home, and needs the network only for what is not there.
set -u
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-$PWD/target/checks}/kotlin
mkdir -p "$BUILD"
. tests/tools/report.sh

bindings/uniffi/build.sh kotlin || { echo "kotlin: the library could not be built" >&2; exit 1; }
check "the library is small, and alone" tests/tools/mobile_library.sh bindings/kotlin/target/natives/*/libstun_mobile.*
check "the calls for the benchmarks compile" cargo check --quiet --locked -p libstun-uniffi --features five-calls

rm -rf bindings/kotlin/target/surefire-reports
broken=''
mvn --batch-mode --no-transfer-progress --quiet -Dstyle.color=never -f bindings/kotlin/pom.xml verify || broken=1
counts=$(python3 tests/tools/junit.py bindings/kotlin/target/surefire-reports/TEST-*.xml) || counts="0 1 0"
read -r tests_passed tests_failed tests_skipped <<<"$counts"
passed=$((passed + tests_passed)) failed=$((failed + tests_failed)) skipped=$((skipped + tests_skipped))
# What failed to compile has no tests that fail.
[ -z "$broken" ] || [ "$tests_failed" != 0 ] || failed=$((failed + 1))

printf '\n' # whatever Maven leaves on the line
echo "kotlin: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
