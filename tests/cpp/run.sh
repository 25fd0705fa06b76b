#!/bin/sh
# Tests of stun.hpp and stun_sockaddr.h. BUILD is where to compile, LIBDIR where libstun.so and libstun.a are.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-${CARGO_TARGET_DIR:-target}/checks}/cpp
LIBDIR=${LIBDIR:-${CARGO_TARGET_DIR:-target}/dist}
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
LIBDIR=$(cd "$LIBDIR" && pwd)
WARNINGS="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
STATIC_LIBS=${STATIC_LIBS:--lgcc_s -lutil -lrt -lpthread -lm -ldl -lc}
SANITIZE="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
. tests/tools/report.sh

# count NAME PROGRAM: runs a test program and adds its own counts.
count() {
    if "$2" >"$BUILD/log" 2>&1; then status=0; else status=$?; fi
    counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$BUILD/log")
    if [ -z "$counts" ] || [ "$status" -gt 1 ] || { [ "$status" = 1 ] && [ "${counts#* }" = 0 ]; }; then
        counts="${counts:-0 0}" # it crashed, or a sanitizer ended it after its tests
        failed=$((failed + 1))
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    [ "$status" = 0 ] || { echo "FAILED $1" >&2; cat "$BUILD/log" >&2; }
}

# compile COMPILER FLAGS OUT FILE
compile() {
    # shellcheck disable=SC2086 # flags are lists
    $1 $2 $WARNINGS -Iinclude -c "$4" -o "$3"
}

# alone COMPILER FLAGS HEADER: a source file that includes one header and nothing else.
alone() {
    echo "#include \"$3\"" >"$BUILD/alone.c"
    compile "$1" "$2" "$BUILD/alone.o" "$BUILD/alone.c"
}

headers_alone() { # C++ compiler, its C sibling
    for std in c++17 c++20; do
        for header in stun.hpp stun_sockaddr.h stun.h; do
            check "$1 $std $header" alone "$1" "-std=$std -x c++" "$header"
        done
        check "$1 $std stun.hpp without exceptions" alone "$1" "-std=$std -x c++ -fno-exceptions -fno-rtti" stun.hpp
    done
    check "$1 c++11 stun_sockaddr.h" alone "$1" "-std=c++11 -x c++" stun_sockaddr.h
    for std in c99 c11; do
        check "$2 $std stun_sockaddr.h" alone "$2" "-std=$std -x c" stun_sockaddr.h
    done
}

examples() { # C++ compiler, C compiler
    check "$2 binding_poll.c" compile "$2" "-std=c99 -O2" "$BUILD/example.o" examples/c/binding_poll.c
    check "$2 nat_report.c" compile "$2" "-std=c99 -O2" "$BUILD/example.o" examples/c/nat_report.c
    check "$2 relay_chat.c" compile "$2" "-std=c99 -O2" "$BUILD/example.o" examples/c/relay_chat.c
    [ "$(uname)" != Linux ] || check "$2 binding_mmsg.c" compile "$2" "-std=c99 -O2" "$BUILD/example.o" examples/c/binding_mmsg.c
    check "$1 binding.cpp" compile "$1" "-std=c++17 -O2" "$BUILD/example.o" examples/cpp/binding.cpp
}

# build COMPILER STD FLAGS LIBRARY: all test files into one program, $BUILD/tests.
build() {
    rm -f "$BUILD"/*.o
    for file in main agent codec relay usages values; do
        compile "$1" "-std=$2 $3" "$BUILD/$file.o" "tests/cpp/$file.cpp" || return 1
    done
    # shellcheck disable=SC2086
    $1 -std="$2" $3 "$BUILD/main.o" "$BUILD/agent.o" "$BUILD/codec.o" "$BUILD/relay.o" "$BUILD/usages.o" "$BUILD/values.o" $4 -o "$BUILD/tests"
}

# One program out of C++17 and C++20 objects: what differs between them has different names.
mixed() {
    rm -f "$BUILD"/*.o
    compile "$1" "-std=c++20 $SANITIZE" "$BUILD/codec.o" tests/cpp/codec.cpp &&
        compile "$1" "-std=c++17 $SANITIZE" "$BUILD/values.o" tests/cpp/values.cpp &&
        compile "$1" "-std=c++17 $SANITIZE" "$BUILD/main.o" tests/cpp/main.cpp &&
        # shellcheck disable=SC2086
        $1 $SANITIZE "$BUILD/main.o" "$BUILD/codec.o" "$BUILD/values.o" "$LIBDIR/libstun.a" $STATIC_LIBS -o "$BUILD/tests"
}

run_all() { # C++ compiler
    for std in c++17 c++20; do
        # The archive, so that the sanitizers see the library's allocations as the program's.
        check "$1 $std sanitized" build "$1" "$std" "$SANITIZE" "$LIBDIR/libstun.a $STATIC_LIBS"
        check "$1 $std is sanitized" grep -q __asan_init "$BUILD/tests"
        count "$1 $std sanitized" "$BUILD/tests"
    done
    check "$1 mixed" mixed "$1"
    count "$1 mixed" "$BUILD/tests"
}

ln -sf libstun.so "$LIBDIR/libstun.so.0" # the name that programs ask for
for pair in g++:gcc clang++:clang; do
    if command -v "${pair%:*}" >/dev/null; then
        headers_alone "${pair%:*}" "${pair#*:}"
        examples "${pair%:*}" "${pair#*:}"
    elif [ "${CI:-}" = true ]; then
        echo "FAILED: ${pair%:*} is missing" >&2
        failed=$((failed + 1))
    else
        echo "SKIPPED: ${pair%:*} is missing" >&2
        skipped=$((skipped + 1))
    fi
done
if command -v g++ >/dev/null; then CXX=g++; else CXX=clang++; fi
run_all "$CXX"
check "$CXX optimised, shared" build "$CXX" c++17 -O2 "-L$LIBDIR -Wl,-rpath,$LIBDIR -lstun"
count "$CXX optimised, shared" "$BUILD/tests"
echo "cpp: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
