#!/bin/sh
# Compiles and runs the tests of the C ABI, in every way in which C and C++ programs are built:
#   plain (gcc and clang, C99), C++11, AddressSanitizer + UndefinedBehaviorSanitizer over the static archive,
#   valgrind over the shared library, and programs that a checker must refuse, to show that it is awake.
# Then the examples with servers of their own.
#
#   BUILD         where to put what is built                   target/c-tests
#   LIBDIR        where libstun.so and libstun.a are           target/dist
#   PANIC_LIBDIR  where libstun.so with the feature panic-injection is; built with cargo if unset
#   CI            true: a missing tool is a failure
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/c
BUILD=${BUILD:-$root/target/c-tests}
LIBDIR=${LIBDIR:-$root/target/dist}
PANIC_LIBDIR=${PANIC_LIBDIR:-}
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
LIBDIR=$(cd "$LIBDIR" && pwd)

passed=0 failed=0 skipped=0
pass() { passed=$((passed + 1)); echo "ok      $1: $2"; }
fail() { failed=$((failed + 1)); echo "FAILED  $1: $2"; }
skip() {
    if [ "${CI:-}" = true ]; then fail "$1" "$2"; return; fi
    skipped=$((skipped + 1)); echo "SKIPPED $1: $2"
}
have() { command -v "$1" >/dev/null 2>&1; }

programs="layout null null_codec null_usages null_relay null_pool loop input output codec frame vectors replay credentials servers nat relay relay_stream relay_pool threads stress"
warnings="-Wall -Wextra -pedantic -Werror -Wconversion -I$root/include -g"
# What `rustc --print native-static-libs` says of the archive on Linux.
static="$LIBDIR/libstun.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc"
sanitize="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"

# Programs look for the library by its SONAME, which cargo does not create.
shared_lib() {
    mkdir -p "$BUILD/$1" && ln -sf "$2/libstun.so" "$BUILD/$1/libstun.so.0"
    ln -sf "$2/libstun.so" "$BUILD/$1/libstun.so"
}

# arguments <program> <mode>: checkers of memory are slow, and need less of the same.
arguments() {
    case $1/$2 in
    vectors/*) echo "$BUILD/vectors.txt" ;;
    replay/*) echo "$root"/tests/vectors/traces/*.trace ;;
    stress/asan) echo 20000 ;;
    stress/valgrind) echo 2000 ;;
    threads/asan) echo 5000 ;;
    threads/valgrind) echo 500 ;;
    esac
}

# check <program> <mode> <command...>: runs it, and shows its last line, or all of it if it fails.
check() {
    checked=$1 as=$2
    shift 2
    log=$BUILD/$checked.$as.log
    # shellcheck disable=SC2046
    if LD_LIBRARY_PATH=${libs:-$BUILD/lib} "$@" $(arguments "$checked" "$as") >"$log" 2>&1; then
        pass "$checked ($as)" "$(tail -n 1 "$log")"
    else
        fail "$checked ($as)" "exit code $?"
        sed 's/^/        /' "$log"
    fi
}

# compile <program> <mode> <compiler and options...>; libraries go last, in $link
compile() {
    compiled=$1 way=$2 source=$here/$1.c binary=$BUILD/$(basename "$1").$2
    shift 2
    rm -f "$binary"
    # shellcheck disable=SC2086
    "$@" $warnings -o "$binary" $language "$source" $unlanguage $link 2>"$binary.compile.log" && return 0
    fail "$compiled ($way)" "does not compile"
    sed 's/^/        /' "$binary.compile.log"
    return 1
}

# all <mode> <compiler and options...>: compiles and runs every program.
all() {
    how=$1
    shift
    if ! have "$1"; then skip "$how" "no $1"; return; fi
    for each in $programs; do
        if compile "$each" "$how" "$@"; then check "$each" "$how" "$BUILD/$each.$how"; fi
    done
}

# refused <program> <mode> <pattern> <command...>: fails, and for the reason that it was written for.
refused() {
    bad=negative/$1 checker=$2 wanted=$3
    log=$BUILD/$1.$2.log
    shift 3
    if LD_LIBRARY_PATH=$BUILD/lib "$@" >"$log" 2>&1; then
        fail "$bad ($checker)" "was not refused: is the checker on?"
    elif grep -q "$wanted" "$log"; then
        pass "$bad ($checker)" "refused: $wanted"
    else
        fail "$bad ($checker)" "refused for another reason"
        sed 's/^/        /' "$log"
    fi
}

run_panic() {
    if [ -z "$PANIC_LIBDIR" ]; then
        if ! have cargo; then skip panic "no cargo and no PANIC_LIBDIR"; return; fi
        # A folder of its own: nobody must find that library in the usual place.
        if ! (cd "$root" && CARGO_TARGET_DIR=$BUILD/panic cargo build -q -p libstun-c --features panic-injection); then
            fail panic "the library with panic-injection does not build"
            return
        fi
        PANIC_LIBDIR=$BUILD/panic/debug
    fi
    shared_lib panic-lib "$(cd "$PANIC_LIBDIR" && pwd)"
    libs=$BUILD/panic-lib link="-L$BUILD/panic-lib -lstun"
    if compile panic plain gcc -std=c99 -Wc++-compat -DSTUN_PANIC_INJECTION; then
        check panic plain "$BUILD/panic.plain"
        if have valgrind; then check panic valgrind $valgrind "$BUILD/panic.plain"; fi
    fi
    libs=
}

run_negative() {
    link=$static
    while read -r program mode pattern; do
        # shellcheck disable=SC2086
        case $mode in
        asan)
            if compile "negative/$program" asan gcc -std=c99 $sanitize; then
                refused "$program" asan "$pattern" "$BUILD/$program.asan"
            fi ;;
        valgrind)
            if ! have valgrind; then skip "negative/$program" "no valgrind"; continue; fi
            if compile "negative/$program" plain gcc -std=c99; then
                refused "$program" valgrind "$pattern" $valgrind "$BUILD/$program.plain"
            fi ;;
        esac
    done <<-END
	borrowed_after_input asan heap-use-after-free
	borrowed_after_free asan heap-use-after-free
	event_text_after_free asan heap-use-after-free
	discovered_after_poll asan heap-use-after-free
	app_after_cancel asan heap-use-after-free
	leak asan LeakSanitizer: detected memory leaks
	double_free_key valgrind Invalid read
	undefined asan signed integer overflow
	double_free_agent valgrind Invalid read
	uninitialised valgrind uninitialised value
	END
}

# example <name> <what to look for> <arguments...>: with the server that it embeds, under the sanitizers.
example() {
    shown=$1 wanted=$2 log=$BUILD/example.log
    shift 2
    if "$BUILD/$shown.example" "$@" >"$log" 2>&1 && grep -q "$wanted" "$log"; then
        pass "examples/c/$shown $*" "$(grep -m 1 "$wanted" "$log" | cut -c 1-100)"
    else
        fail "examples/c/$shown $*" "does not say: $wanted"
        sed 's/^/        /' "$log"
    fi
}

run_examples() {
    for each in binding_poll nat_report; do
        # shellcheck disable=SC2086
        gcc -std=c99 -g -Wall -Wextra -Werror -I"$root/include" $sanitize "$root/examples/c/$each.c" -o "$BUILD/$each.example" $static
    done
    for option in '' --tcp; do
        # shellcheck disable=SC2086
        example binding_poll '^mapped address 127.0.0.1:' $option --user alice --password s3cret
    done
    example nat_report '^filtering          endpoint-independent'
    example nat_report '"translation":{"value":"absent"' --json
}

export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export RUST_BACKTRACE=0
valgrind="valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect,possible"
language='' unlanguage='' libs=''
if ! have gcc; then skip everything "no gcc"; programs=''; fi
if have python3; then
    python3 "$here/make_vectors.py" "$root/tests/vectors" "$BUILD/vectors.txt"
else
    skip vectors "no python3"
    programs=$(echo "$programs" | sed 's/ vectors//')
fi

shared_lib lib "$LIBDIR"
link="-L$BUILD/lib -lstun -lpthread"
all plain gcc -std=c99 -Wc++-compat
all clang clang -std=c99
language='-x c++' unlanguage='-x none'
all c++11 g++ -std=c++11
language='' unlanguage=''
link=$static
# shellcheck disable=SC2086
all asan gcc -std=c99 $sanitize
if have valgrind; then
    for each in $programs; do
        # shellcheck disable=SC2086
        if [ -x "$BUILD/$each.plain" ]; then check "$each" valgrind $valgrind "$BUILD/$each.plain"; fi
    done
else
    skip valgrind "no valgrind"
fi
if have gcc; then run_negative; run_examples; run_panic; fi

echo "c: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
