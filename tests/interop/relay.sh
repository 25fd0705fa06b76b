#!/bin/sh
# Our relays at coturn. The tests in Rust are in tests/interop_turn.rs, and start the example udp_proxy; the C program
# examples/c/relay_chat.c does it through the C ABI. BUILD is where to work, LIBDIR where libstun.so is, PROXY_BIN the
# example.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-${CARGO_TARGET_DIR:-target}/checks}/interop-relay
LIBDIR=${LIBDIR:-${CARGO_TARGET_DIR:-target}/dist}
PROXY_BIN=${PROXY_BIN:-${CARGO_TARGET_DIR:-target}/debug/examples/udp_proxy}
rm -rf "$BUILD"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
. tests/tools/report.sh
. tests/interop/helpers.sh
pids=''
trap 'for pid in $pids; do stop "$pid"; done' EXIT
trap 'exit 1' HUP INT TERM

# configure PORT LINE...: a configuration with those lines added, and the next 64 ports to relay from.
configure() {
    port=$1
    conf=$BUILD/$port.conf
    shift
    first=$((first + 64))
    sed -e "s/@PORT@/$port/g; s/@MIN_PORT@/$first/; s/@MAX_PORT@/$((first + 63))/; s,@DIRECTORY@,$BUILD,g" \
        tests/interop/coturn-relay.conf >"$conf"
    for line in "$@"; do echo "$line" >>"$conf"; done
}

# start PORT LINE...: a coturn with those lines added to its configuration.
start() {
    configure "$@"
    turnserver -c "$conf" >"$BUILD/$port.log" 2>&1 &
    pids="$pids $!"
    # Any answer will do: one that demands credentials answers too.
    eventually answers "$port"
}

answers() {
    [ "$(echo 000100002112a442000102030405060708090a0b | net ask 127.0.0.1 "$1")" != silence ]
}

# The C program, where there is one and the library to link it with.
through_c() {
    [ -f examples/c/relay_chat.c ] || return 0
    ln -sf libstun.so "$LIBDIR/libstun.so.0"
    check "C program builds" cc -std=c99 -O2 -Iinclude examples/c/relay_chat.c -o "$BUILD/relay_chat" \
        -L"$LIBDIR" -Wl,-rpath,"$(cd "$LIBDIR" && pwd)" -lstun
    set -- timeout 30 "$BUILD/relay_chat" --user alice --password s3cret "$COTURN_RELAY"
    check "C: two peers talk through a relay" "$@"
    check "C: and over TCP to the server" "$@" --tcp
}

if ! has turnserver; then
    skip "turnserver (Debian: coturn) is missing" 1
elif ! net has-ipv6; then
    skip "this machine has no ::1" 1
else
    # shellcheck disable=SC2046 # a list of numbers
    set -- $(net ports 7)
    first=$(($(net range 448) - 64))
    start "$1" allow-loopback-peers mobility listening-ip=::1 relay-ip=::1
    start "$2"
    start "$3" "alternate-server=127.0.0.1:$1"
    start "$4" allow-loopback-peers user-quota=1
    start "$5" allow-loopback-peers mobility max-allocate-lifetime=20
    start "$7" allow-loopback-peers mobility
    configure "$6" allow-loopback-peers mobility max-allocate-lifetime=20
    export COTURN_RELAY="127.0.0.1:$1" COTURN_RELAY_IPV6="[::1]:$1" COTURN_DENY="127.0.0.1:$2" COTURN_REDIRECT="127.0.0.1:$3"
    export COTURN_QUOTA="127.0.0.1:$4" COTURN_BRIEF="127.0.0.1:$5" COTURN_MOVES="127.0.0.1:$7"
    export COTURN_RESTART="127.0.0.1:$6" COTURN_RESTART_CONF="$conf" PROXY_BIN
    through_c
    # Its tests count for themselves. Most of them wait: more at a time than there are processors.
    cargo build --quiet --locked -p libstun --example udp_proxy &&
        cargo test --quiet --locked -p libstun --test interop_turn -- --nocapture --test-threads 12 || failed=$((failed + 1))
fi
echo "interop-relay: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
