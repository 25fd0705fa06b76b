#!/bin/sh
# Installs library, headers, pkg-config and CMake files, or removes them again:
#
#     [DESTDIR=/staging] [PREFIX=/usr/local] [LIBDIR=...] [INCLUDEDIR=...] bindings/c/install.sh [--uninstall]
#
# LIBRARIES is where cargo has put libstun; NATIVE_LIBS spares asking cargo what the archive has to be linked
# with. Only DESTDIR/LIBDIR and DESTDIR/INCLUDEDIR are written to.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
DESTDIR=${DESTDIR:-}
PREFIX=${PREFIX:-/usr/local}
LIBDIR=${LIBDIR:-$PREFIX/lib}
INCLUDEDIR=${INCLUDEDIR:-$PREFIX/include}
LIBRARIES=${LIBRARIES:-${CARGO_TARGET_DIR:-$root/target}/dist}

fail() {
    echo "install: $1" >&2
    exit 1
}

for directory in "$PREFIX" "$LIBDIR" "$INCLUDEDIR"; do
    case $directory in
    /*) ;;
    *) fail "$directory is no absolute path" ;;
    esac
done
# The one place where the version stands; every crate inherits it.
package() { sed -n "/^\[workspace.package\]/,/^\[/s/^$1 *= *\"\(.*\)\"/\1/p" "$root/Cargo.toml"; }
VERSION=$(package version)
[ -n "$VERSION" ] || fail "no version in Cargo.toml"
MAJOR=${VERSION%%.*}

case $(uname) in
Darwin)
    built=libstun.dylib real=libstun.$VERSION.dylib soname=libstun.$MAJOR.dylib
    strip_shared="strip -x" strip_archive="strip -S"
    ;;
*)
    built=libstun.so real=libstun.so.$VERSION soname=libstun.so.$MAJOR
    strip_shared="strip --strip-unneeded" strip_archive="strip --strip-debug"
    ;;
esac
lib=$DESTDIR$LIBDIR
include=$DESTDIR$INCLUDEDIR
cmake=$lib/cmake/libstun

if [ "${1:-}" = --uninstall ]; then
    rm -f "$lib/$real" "$lib/$soname" "$lib/$built" "$lib/libstun.a" "$lib/pkgconfig/stun.pc" \
        "$cmake/libstunConfig.cmake" "$cmake/libstunConfigVersion.cmake" \
        "$include/stun.h" "$include/stun_sockaddr.h" "$include/stun.hpp"
    # Directories may be others' as well: only what is empty and bears our name goes.
    rmdir "$cmake" 2>/dev/null || :
    exit 0
fi
[ $# = 0 ] || fail "unknown argument $1"
for file in "$built" libstun.a; do
    [ -f "$LIBRARIES/$file" ] || fail "$LIBRARIES/$file is missing: run make first"
done

# What a program that links the archive must link as well, from the compiler that built it.
native_libs() {
    (cd "$root" && cargo rustc --quiet --locked --profile dist -p libstun-c --lib --crate-type staticlib -- --print native-static-libs) 2>&1 |
        sed -n 's/^note: native-static-libs: //p' | tail -n 1
}
NATIVE_LIBS=${NATIVE_LIBS:-$(native_libs)}
[ -n "$NATIVE_LIBS" ] || fail "cargo did not say what the archive has to be linked with; set NATIVE_LIBS"

# Paths below PREFIX are written relative to it, so that an installed tree can be moved.
case $LIBDIR in "$PREFIX"/*) pc_libdir="\${prefix}${LIBDIR#"$PREFIX"}" ;; *) pc_libdir=$LIBDIR ;; esac
case $INCLUDEDIR in "$PREFIX"/*) pc_includedir="\${prefix}${INCLUDEDIR#"$PREFIX"}" ;; *) pc_includedir=$INCLUDEDIR ;; esac
cmake_includedir=$INCLUDEDIR
case $LIBDIR:$INCLUDEDIR in
"$PREFIX"/*:"$PREFIX"/*)
    up=$(printf '%s' "${LIBDIR#"$PREFIX"/}" | tr -s / | sed 's,/$,,; s,[^/][^/]*,..,g')
    cmake_includedir="\${CMAKE_CURRENT_LIST_DIR}/../../$up${INCLUDEDIR#"$PREFIX"}"
    ;;
esac
# CMake asks, so that a program does not pick up the library of another word size.
pointer_size=8
case $(LC_ALL=C file -bL "$LIBRARIES/$built" 2>/dev/null || :) in *32-bit*) pointer_size=4 ;; esac

# fill TEMPLATE OUT
fill() {
    sed -e "s,@PREFIX@,$PREFIX,g" -e "s,@LIBDIR@,$pc_libdir,g" -e "s,@INCLUDEDIR@,$pc_includedir,g" \
        -e "s,@VERSION@,$VERSION,g" -e "s,@MAJOR@,$MAJOR,g" -e "s|@DESCRIPTION@|$(package description)|g" \
        -e "s,@NATIVE_LIBS@,$NATIVE_LIBS,g" -e "s,@CMAKE_NATIVE_LIBS@,$(echo "$NATIVE_LIBS" | tr -s ' ' ';'),g" \
        -e "s,@CMAKE_INCLUDEDIR@,$cmake_includedir,g" -e "s,@SHARED_FILE@,$real,g" -e "s,@SONAME@,$soname,g" \
        -e "s,@POINTER_SIZE@,$pointer_size,g" "$here/$1" >"$2"
    chmod 644 "$2"
}

# put MODE FROM TO: by way of a new file, so that a library that is in use is replaced and not overwritten.
put() {
    cp "$2" "$3.new"
    chmod "$1" "$3.new"
    mv -f "$3.new" "$3"
}

mkdir -p "$lib/pkgconfig" "$cmake" "$include"
put 755 "$LIBRARIES/$built" "$lib/$real"
put 644 "$LIBRARIES/libstun.a" "$lib/libstun.a"
$strip_shared "$lib/$real"
$strip_archive "$lib/libstun.a"
ln -sf "$real" "$lib/$soname"
ln -sf "$soname" "$lib/$built"
for header in stun.h stun_sockaddr.h stun.hpp; do
    put 644 "$root/include/$header" "$include/$header"
done
fill stun.pc.in "$lib/pkgconfig/stun.pc"
fill libstunConfig.cmake.in "$cmake/libstunConfig.cmake"
fill libstunConfigVersion.cmake.in "$cmake/libstunConfigVersion.cmake"
echo "libstun $VERSION installed in $DESTDIR$PREFIX"
