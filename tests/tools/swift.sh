#!/usr/bin/env bash
# The Swift package, built and tested by a Swift 6 on PATH, or else by that of a Debian 13 in a folder of its own
# (SWIFT_ROOT, see trixie.sh; root on Debian only). Where there is neither it is skipped, loudly; in CI that is a failure.
set -u
cd "$(dirname "$0")/../.."
project=$PWD
BUILD=${BUILD:-$PWD/target/checks}/swift
mkdir -p "$BUILD"
. tests/tools/report.sh

MOST_BYTES=1400000
root=''
place=$project

give_up() {
    echo "swift: $*" >&2
    echo "swift: $passed passed, $((failed + 1)) failed, $skipped skipped"
    exit 1
}

if ! command -v swift >/dev/null 2>&1; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        [ -z "${CI:-}" ] || give_up "there is neither a Swift on PATH nor root on Debian, and this is CI"
        echo "swift: NEITHER SWIFT 6 ON PATH NOR ROOT ON DEBIAN: THE SWIFT PACKAGE IS NOT TESTED" >&2
        echo "swift: $passed passed, $failed failed, 1 skipped"
        exit 0
    fi
    root=${SWIFT_ROOT:-/var/tmp/libstun-trixie}
    tests/tools/trixie.sh "$root" swiftlang libc6-dev g++ git ca-certificates || give_up "no Debian 13 in $root"
    trap 'tests/tools/trixie.sh --unmount "$root"' EXIT
    place=/libstun-swift
fi

# A command where Swift is; what Swift made there before is kept, so that it need not be made again.
there() {
    if [ -n "$root" ]; then
        chroot "$root" env HOME=/root LD_LIBRARY_PATH="$place/bindings/swift/lib" LIBSTUN_VECTORS="$place/tests/vectors" \
            "${environment[@]}" sh -c "cd $place/\$0 && exec \"\$@\"" "$@"
    else
        (cd "$project/$1" && shift && env LD_LIBRARY_PATH="$place/bindings/swift/lib" LIBSTUN_VECTORS="$place/tests/vectors" "${environment[@]}" "$@")
    fi
}

# Puts the sources into the folder; only what has changed is written, since Swift goes by times.
copy() {
    [ -n "$root" ] || return 0
    mkdir -p "$root$place"
    find "$root$place" -name .build -prune -o -type f -print0 | xargs -0 -r rm -f
    tar -C "$project" --exclude=.build -cf - bindings/swift examples/swift tests/vectors | tar -C "$root$place" -xf -
}
