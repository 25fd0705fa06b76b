# shellcheck shell=bash disable=SC2154 # project is the caller's
# Where Swift is: sourced by the scripts that need one. Wants project, the root of the repository, and give_up.
#
# A Swift 6 on PATH, or else that of a Debian 13 in a folder of its own (SWIFT_ROOT, see trixie.sh; root on Debian only).
# Where there is neither, find_swift fails, loudly; in CI it gives up.

root='' place=''

# find_swift FOLDER: FOLDER is what the sources are called in the Debian's folder.
find_swift() {
    place=$project
    command -v swift >/dev/null 2>&1 && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        [ -z "${CI:-}" ] || give_up "there is neither a Swift on PATH nor root on Debian, and this is CI"
        echo "NEITHER SWIFT 6 ON PATH NOR ROOT ON DEBIAN" >&2
        return 1
    fi
    root=${SWIFT_ROOT:-/var/tmp/libstun-trixie}
    tests/tools/trixie.sh "$root" swiftlang libc6-dev g++ git ca-certificates || give_up "no Debian 13 in $root"
    place=/$1
}

# there FOLDER COMMAND...: a command in a folder of what was copied, where Swift is.
there() {
    if [ -n "$root" ]; then
        chroot "$root" env HOME=/root "${environment[@]}" sh -c 'cd "$0" && exec "$@"' "$place/$1" "${@:2}"
    else
        (cd "$place/$1" && env "${environment[@]}" "${@:2}")
    fi
}

# copy FROM WHAT...: puts sources where Swift is. What it has built there before is kept, and what has not changed keeps
# its time.
copy() {
    [ -n "$root" ] || return 0
    mkdir -p "$root$place"
    find "$root$place" -name .build -prune -o -type f -print0 | xargs -0 -r rm -f
    tar -C "$1" --exclude=.build -cf - "${@:2}" | tar -C "$root$place" -xf -
}

leave_swift() { [ -z "$root" ] || tests/tools/trixie.sh --unmount "$root"; }
