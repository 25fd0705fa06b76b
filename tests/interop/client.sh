#!/bin/sh
# Our client against coturn, where run.sh does not go: long-term credentials with a nonce that goes stale, the
# redirection, NAT behaviour discovery. The tests in Rust are in tests/interop_coturn.rs; the C programs of examples/ do
# the same through the C ABI. BUILD is where to work, LIBDIR where libstun.so is.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-${CARGO_TARGET_DIR:-target}/checks}/interop-client
rm -rf "$BUILD"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
LIBDIR=${LIBDIR:-${CARGO_TARGET_DIR:-target}/dist}
LIBDIR=$(cd "$LIBDIR" && pwd)
. tests/tools/report.sh
. tests/interop/helpers.sh
pids=''
trap 'for pid in $pids; do stop "$pid"; done' EXIT
trap 'exit 1' HUP INT TERM

# start CONF PORT ALT_PORT RELAY_PORT LINE...: a coturn with those lines added to its configuration.
start() {
    conf=$BUILD/$2.conf
    sed -e "s/@PORT@/$2/g; s/@ALT_PORT@/$3/g; s/@MIN_PORT@/$4/; s/@MAX_PORT@/$4/; s,@DIRECTORY@,$BUILD,g" "$1" >"$conf"
    port=$2
    shift 4
    for line in "$@"; do echo "$line" >>"$conf"; done
    turnserver -c "$conf" >"$BUILD/$port.log" 2>&1 &
    pids="$pids $!"
    # Any answer will do: one that demands credentials answers too.
    eventually answers "$port"
}

answers() {
    [ "$(echo 000100002112a442000102030405060708090a0b | net ask 127.0.0.1 "$1")" != silence ]
}

build() {
    ln -sf libstun.so "$LIBDIR/libstun.so.0"
    for program in binding_poll nat_report; do
        cc -std=c99 -O2 -Iinclude "examples/c/$program.c" -o "$BUILD/$program" -L"$LIBDIR" -Wl,-rpath,"$LIBDIR" -lstun || return 1
    done
}

# says TEXT COMMAND...: the program ends well and says so.
says() {
    text=$1
    shift
    "$@" >"$BUILD/out" 2>"$BUILD/err" || { cat "$BUILD/out" "$BUILD/err"; return 1; }
    cat "$BUILD/out"
    grep -qF "$text" "$BUILD/out"
}

through_c() {
    check "C programs build" build
    check "C: coturn's challenge is met" says 'mapped address 127.0.0.1:' "$BUILD/binding_poll" --user alice --password s3cret "$COTURN_AUTH"
    check "C: a wrong password is told" not "$BUILD/binding_poll" --user alice --password wrong "$COTURN_AUTH"
    check "C: and over TCP" says 'mapped address 127.0.0.1:' "$BUILD/binding_poll" --tcp --user alice --password s3cret "$COTURN_AUTH"
    check "C: a report about the NAT" says 'filtering          endpoint-independent' "$BUILD/nat_report" "$COTURN_OPEN"
    check "C: and for programs" says '"filtering":' "$BUILD/nat_report" --json "$COTURN_OPEN"
}

if ! has turnserver; then
    skip "turnserver (Debian: coturn) is missing" 1
else
    # shellcheck disable=SC2046 # a list of numbers
    set -- $(net ports 7)
    start tests/interop/coturn-auth.conf "$1" 0 "$2"
    start tests/interop/coturn-auth.conf "$3" 0 "$4" "alternate-server=127.0.0.1:$1"
    start tests/interop/coturn-open.conf "$5" "$6" "$7"
    export COTURN_AUTH="127.0.0.1:$1" COTURN_REDIRECT="127.0.0.1:$3" COTURN_OPEN="127.0.0.1:$5"
    through_c
    # Its tests count for themselves.
    cargo test --quiet --locked -p libstun --test interop_coturn -- --nocapture || failed=$((failed + 1))
fi
echo "interop-client: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
