#!/bin/sh
# Programs of others ask our server for what run.sh does not: NAT behaviour discovery (RFC 5780), RFC 3489, and
# long-term credentials. BUILD is where to work, SERVER_BIN our server (examples/server.rs).
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-${CARGO_TARGET_DIR:-target}/checks}/interop-server
SERVER_BIN=${SERVER_BIN:-${CARGO_TARGET_DIR:-target}/debug/examples/server}
rm -rf "$BUILD"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
. tests/tools/report.sh
. tests/interop/helpers.sh
server_pid=''
trap 'stop "$server_pid"' EXIT
trap 'exit 1' HUP INT TERM

MODERN='000100002112a442000102030405060708090a0b'

# start OPTION...: our server on 127.0.0.1, on whatever port; sets udp.
start() {
    stop "$server_pid"
    "$SERVER_BIN" 127.0.0.1:0 --every 1 "$@" >"$BUILD/server.out" 2>"$BUILD/server.err" &
    server_pid=$!
    eventually grep -q '^listening on udp' "$BUILD/server.out" || { cat "$BUILD/server.err"; return 1; }
    udp=$(listening udp 127.0.0.1)
}

# says TEXT COMMAND...: the program ends well and says so.
says() {
    text=$1
    shift
    "$@" >"$BUILD/out" 2>&1 || { cat "$BUILD/out"; return 1; }
    cat "$BUILD/out"
    grep -qF "$text" "$BUILD/out"
}

# The default budget holds here too: the first request of natdiscovery is 20 bytes long, so that its reply has room
# for OTHER-ADDRESS only. It minds nothing. The later ones, with CHANGE-REQUEST, have room for all.
behavior() {
    check "four sockets" [ "$(grep -c '^listening on udp' "$BUILD/server.out")" = 4 ]
    if has turnutils_natdiscovery; then
        check "coturn finds no mapping" says 'Endpoint Independent Mapping' turnutils_natdiscovery -m -p "$udp" 127.0.0.1
        check "coturn finds the other address" grep -qF 'Other addr: : 127.0.0.2:' "$BUILD/out"
        check "coturn finds no filtering" says 'Endpoint Independent Filtering' turnutils_natdiscovery -f -p "$udp" 127.0.0.1
        check "all extras where they fit" grep -qF 'No ALG: Mapped == XOR-Mapped' "$BUILD/out"
        check "coturn asks for the other place" says 'Response origin: : 127.0.0.2:' turnutils_stunclient -p "$udp" 127.0.0.1
    else
        skip "turnutils_natdiscovery (Debian: coturn) is missing" 5
    fi
}

# Its exit code is the kind of NAT that it sees: 1 is none, where both other addresses answer.
old_client() {
    if has stun; then
        code=0
        stun "127.0.0.1:$udp" -v >"$BUILD/out" 2>&1 || code=$?
        check "RFC 3489 client: open" [ "$code" = 1 ]
        check "it hears the other address" grep -qF 'SourceAddress = 127.0.0.2:' "$BUILD/out"
        check "and the other port" grep -qF 'test III = 1' "$BUILD/out"
    else
        skip "stun (Debian: stun-client) is missing" 3
    fi
}

# A challenge is longer than 2.6 of the shortest request: it comes with the second.
realm() {
    check "one short request is too little for a challenge" hears "$MODERN" silence
    check "the second gets it" hears "$MODERN" '0111*6578616d706c652e74657374*'
    check "and the server lives" kill -0 "$server_pid"
}

# The server is started here and not through check(): what it sets must be seen.
if ! has python3; then
    skip "python3 is missing" 12
elif [ ! -x "$SERVER_BIN" ]; then
    skip "$SERVER_BIN is missing: cargo build --example server" 12
else
    if start --behavior 127.0.0.2 --rfc3489 >"$BUILD/log" 2>&1; then behavior; old_client; else check "our server starts" cat "$BUILD/server.err" /nonexistent; fi
    if start --realm example.test --user alice:s3cret >"$BUILD/log" 2>&1; then realm; else check "our server starts" cat "$BUILD/server.err" /nonexistent; fi
fi
echo "server: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
