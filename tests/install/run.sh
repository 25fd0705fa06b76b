#!/bin/sh
# Installs into scratch directories and builds programs outside the tree the way users do. BUILD is where to
# work, LIBDIR where libstun.so and libstun.a are.
set -eu
cd "$(dirname "$0")/../.."
root=$(pwd)
BUILD=${BUILD:-${CARGO_TARGET_DIR:-target}/checks}/install
LIBRARIES=${LIBDIR:-${CARGO_TARGET_DIR:-target}/dist}
unset LIBDIR INCLUDEDIR PREFIX DESTDIR # these mean something else to install.sh
rm -rf "$BUILD"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
LIBRARIES=$(cd "$LIBRARIES" && pwd)
export LIBRARIES
prefix=$BUILD/prefix
. tests/tools/report.sh

# has PROGRAM NAME: a program that is there; else its checks are skipped loudly, or fail in CI.
has() {
    command -v "$1" >/dev/null && return 0
    if [ "${CI:-}" = true ]; then
        echo "FAILED: $1 is missing" >&2
        failed=$((failed + 1))
    else
        echo "SKIPPED: $1 is missing" >&2
        skipped=$((skipped + 1))
    fi
    return 1
}

not() { ! "$@"; }
is_empty() { [ -z "$(find "$1" ! -type d)" ]; }
same() { [ "$1" = "$2" ] || { echo "expected $2, found $1"; return 1; }; }
needs() { readelf -d "$1" | grep -q "NEEDED.*\[$2\]"; }
finds_an_address() { "$@" | tee "$BUILD/out" | grep -q '^mapped address 127\.0\.0\.1:'; cat "$BUILD/out"; grep -q '^mapped' "$BUILD/out"; }

# tree ROOT: what lies below it, without directories.
tree() { (cd "$1" && find . ! -type d | LC_ALL=C sort | sed 's,^\./,,' | tr '\n' ' '); }

expected_tree() { # LIB INCLUDE
    version=$(sed -n 's/^version *= *"\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
    printf '%s\n' "$2/stun.h" "$2/stun.hpp" "$2/stun_sockaddr.h" "$1/cmake/libstun/libstunConfig.cmake" \
        "$1/cmake/libstun/libstunConfigVersion.cmake" "$1/libstun.a" "$1/libstun.so" "$1/libstun.so.0" \
        "$1/libstun.so.$version" "$1/pkgconfig/stun.pc" | LC_ALL=C sort | tr '\n' ' '
}

installs() {
    check "plain install" env PREFIX="$prefix" bindings/c/install.sh
    check "plain tree" same "$(tree "$prefix")" "$(expected_tree lib include)"
    check "second install over the first" env PREFIX="$prefix" bindings/c/install.sh
    check "tree after two" same "$(tree "$prefix")" "$(expected_tree lib include)"

    # A prefix that cannot exist by accident: if it does afterwards, the staging leaked.
    leak=$BUILD/leak/prefix
    check "staged install" env DESTDIR="$BUILD/stage" PREFIX="$leak" LIBDIR="$leak/lib/multi/arch" \
        INCLUDEDIR="$leak/include/stun" bindings/c/install.sh
    check "staged tree" same "$(tree "$BUILD/stage$leak")" "$(expected_tree lib/multi/arch include/stun)"
    check "staging does not leak" test ! -e "$BUILD/leak"
    check "staged files do not name the stage" not grep -r "$BUILD/stage" "$BUILD/stage$leak/lib/multi/arch/pkgconfig" \
        "$BUILD/stage$leak/lib/multi/arch/cmake"
    check "relative prefix is refused" not env PREFIX=relative bindings/c/install.sh
    check "unknown argument is refused" not env PREFIX="$prefix" bindings/c/install.sh --nonsense
}

uninstalls() {
    touch "$BUILD/stage$leak/lib/multi/arch/other"
    check "staged uninstall" env DESTDIR="$BUILD/stage" PREFIX="$leak" LIBDIR="$leak/lib/multi/arch" \
        INCLUDEDIR="$leak/include/stun" bindings/c/install.sh --uninstall
    check "uninstall leaves what is not ours" same "$(tree "$BUILD/stage$leak")" "lib/multi/arch/other "
    check "plain uninstall" env PREFIX="$prefix" bindings/c/install.sh --uninstall
    check "plain tree is empty" is_empty "$prefix"
}

libraries() {
    shared=$prefix/lib/libstun.so
    check "SONAME" same "$(readelf -d "$shared" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')" libstun.so.0
    check "exports survive stripping" sh -c "nm -D --defined-only '$shared' | grep -q ' T stun_agent_new$'"
    check "shared library is stripped" same "$(nm "$shared" 2>/dev/null | wc -l | tr -d ' ')" 0
    check "archive has no debug information" not sh -c "readelf -S '$prefix/lib/libstun.a' | grep -q '\.debug_info'"
    check "archive still links" sh -c "nm '$prefix/lib/libstun.a' 2>/dev/null | grep -q ' T stun_agent_new$'"
}

# The sources of a user who has nothing but the installed tree.
sources() {
    mkdir -p "$BUILD/user"
    cp examples/c/binding_poll.c examples/c/support.h examples/cpp/binding.cpp "$BUILD/user"
}

programs() { # NAME: the four that were built as $BUILD/NAME_{c,cpp}_{shared,static}
    for language in c cpp; do
        check "$1 $language shared" finds_an_address env LD_LIBRARY_PATH="$prefix/lib" "$BUILD/$1_${language}_shared"
        check "$1 $language shared needs the SONAME" needs "$BUILD/$1_${language}_shared" 'libstun\.so\.0'
        check "$1 $language static" finds_an_address "$BUILD/$1_${language}_static"
        check "$1 $language static needs no libstun" not needs "$BUILD/$1_${language}_static" 'libstun.*'
    done
    check "$1 says that it runs through the shared library" sh -c \
        "LD_LIBRARY_PATH='$prefix/lib' '$BUILD/$1_c_shared' | grep -q 'from $prefix/lib/libstun\.so\.'"
}

with_pkg_config() {
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
    check "pkg-config version" same "$(pkg-config --modversion stun)" "$(grep -m1 '^version' Cargo.toml | cut -d'"' -f2)"
    cflags=$(pkg-config --cflags stun)
    shared=$(pkg-config --libs stun)
    # Where both kinds are installed the linker prefers the shared one, unless the archive is named.
    static=$(pkg-config --static --libs stun | sed 's/-lstun/-l:libstun.a/')
    cd "$BUILD/user"
    # shellcheck disable=SC2086 # flags are lists
    {
        check "pkg-config c shared" cc -std=c99 -O2 $cflags binding_poll.c -o ../pc_c_shared $shared
        check "pkg-config c static" cc -std=c99 -O2 $cflags binding_poll.c -o ../pc_c_static $static
        check "pkg-config cpp shared" c++ -std=c++17 -O2 $cflags binding.cpp -o ../pc_cpp_shared $shared
        check "pkg-config cpp static" c++ -std=c++17 -O2 $cflags binding.cpp -o ../pc_cpp_static $static
    }
    cd "$root"
    programs pc
}

with_cmake() {
    cp tests/install/CMakeLists.txt "$BUILD/user"
    # The tree is moved first: nothing in the CMake files may name the place that it was installed to.
    mv "$prefix" "$BUILD/moved"
    check "cmake configures" cmake -S "$BUILD/user" -B "$BUILD/cmake" -DCMAKE_PREFIX_PATH="$BUILD/moved"
    check "cmake builds" cmake --build "$BUILD/cmake"
    check "cmake refuses another major version" not cmake -S "$BUILD/user" -B "$BUILD/cmake9" \
        -DCMAKE_PREFIX_PATH="$BUILD/moved" -DWANTED=9.0
    for name in c_shared c_static cpp_shared cpp_static; do
        mv "$BUILD/cmake/$name" "$BUILD/cmake_$name" || :
    done
    mv "$BUILD/moved" "$prefix"
    programs cmake
}

installs
sources
if has readelf; then libraries; fi
if has pkg-config; then with_pkg_config; fi
if has cmake; then with_cmake; fi
uninstalls
echo "install: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
