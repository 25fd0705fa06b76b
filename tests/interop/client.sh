#!/bin/sh
# Our client against coturn, where run.sh does not go: long-term credentials with a nonce that goes stale, the
# redirection, NAT behaviour discovery. The tests themselves are in tests/interop_coturn.rs. BUILD is where to work.
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-${CARGO_TARGET_DIR:-target}/checks}/interop-client
rm -rf "$BUILD"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
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

if ! has turnserver; then
    skip "turnserver (Debian: coturn) is missing" 1
else
    # shellcheck disable=SC2046 # a list of numbers
    set -- $(net ports 7)
    start tests/interop/coturn-auth.conf "$1" 0 "$2"
    start tests/interop/coturn-auth.conf "$3" 0 "$4" "alternate-server=127.0.0.1:$1"
    start tests/interop/coturn-open.conf "$5" "$6" "$7"
    export COTURN_AUTH="127.0.0.1:$1" COTURN_REDIRECT="127.0.0.1:$3" COTURN_OPEN="127.0.0.1:$5"
    cargo test --quiet --locked -p libstun --test interop_coturn -- --nocapture || failed=$((failed + 1))
fi
# Counted above by cargo, unless something was missing.
[ "$failed$skipped" = 00 ] || echo "interop-client: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
