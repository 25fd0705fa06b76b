#!/bin/sh
# Against programs of others, on loopback: our client asks coturn, and coturn's client and one of RFC 3489 ask
# our server. BUILD is where to work, LIBDIR where libstun.so is, SERVER_BIN our server (examples/server.rs).
set -eu
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-${CARGO_TARGET_DIR:-target}/checks}/interop
LIBDIR=${LIBDIR:-${CARGO_TARGET_DIR:-target}/dist}
SERVER_BIN=${SERVER_BIN:-${CARGO_TARGET_DIR:-target}/debug/examples/server}
rm -rf "$BUILD"
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd)
LIBDIR=$(cd "$LIBDIR" && pwd)
. tests/tools/report.sh
. tests/interop/helpers.sh
coturn_pid='' server_pid=''

stop_all() {
    stop "$coturn_pid"
    stop "$server_pid"
    coturn_pid='' server_pid=''
}
trap stop_all EXIT
trap 'exit 1' HUP INT TERM

poll() { "$BUILD/binding_poll" "$@"; }

# finds HOST COMMAND...: the program finds an address of that host; a literal is compared, not a pattern.
finds() {
    host=$1
    shift
    "$@" >"$BUILD/out" 2>&1 || { cat "$BUILD/out"; return 1; }
    cat "$BUILD/out"
    grep -qF "mapped address $host:" "$BUILD/out"
}

build() {
    for program in binding_poll binding_mmsg; do
        cc -std=c99 -O2 -Iinclude "examples/c/$program.c" -o "$BUILD/$program" -L"$LIBDIR" -Wl,-rpath,"$LIBDIR" -lstun || return 1
    done
    c++ -std=c++17 -O2 -Iinclude examples/cpp/binding.cpp -o "$BUILD/binding" -L"$LIBDIR" -Wl,-rpath,"$LIBDIR" -lstun
}

# --- Our client asks coturn ---------------------------------------------------------------------------------

start_coturn() {
    # shellcheck disable=SC2046 # a list of numbers
    set -- $(net ports 3)
    port=$1
    sed -e "s/@PORT@/$1/; s/@ALT_PORT@/$2/; s/@MIN_PORT@/$3/; s/@MAX_PORT@/$3/; s,@DIRECTORY@,$BUILD,g" \
        tests/interop/coturn-open.conf >"$BUILD/coturn.conf"
    if net has-ipv6; then echo "listening-ip=::1" >>"$BUILD/coturn.conf"; fi
    turnserver -c "$BUILD/coturn.conf" >"$BUILD/coturn.log" 2>&1 &
    coturn_pid=$!
    eventually poll "127.0.0.1:$port" && return 0
    cat "$BUILD/coturn.log"
    return 1
}

ask_coturn() {
    check "coturn udp ipv4" finds 127.0.0.1 poll "127.0.0.1:$port"
    check "coturn tcp ipv4" finds 127.0.0.1 poll --tcp "127.0.0.1:$port"
    check "coturn udp ipv4, second address" finds 127.0.0.1 poll "127.0.0.2:$port"
    if net has-ipv6; then
        check "coturn udp ipv6" finds '[::1]' poll "[::1]:$port"
        check "coturn tcp ipv6" finds '[::1]' poll --tcp "[::1]:$port"
    else
        skip "this machine has no ::1" 2
    fi
    check "coturn from C++" finds 127.0.0.1 "$BUILD/binding" "127.0.0.1:$port"
    check "coturn, 32 requests in one call" finds 127.0.0.1 "$BUILD/binding_mmsg" --count 32 "127.0.0.1:$port"
    check "all 32 are answered" grep -q '^32 of 32 bindings answered' "$BUILD/out"
    check "a failure is told, not waited for" not poll --tcp "127.0.0.1:1"
    if has stun; then
        # The control for what our server does below: this client works, and coturn still answers it.
        stun "127.0.0.1:$port" >"$BUILD/stun.out" 2>&1 || :
        check "RFC 3489 client hears coturn" not grep -q 'Blocked or could not reach' "$BUILD/stun.out"
    else
        skip "stun (Debian: stun-client) is missing" 1
    fi
}

# --- Others ask our server ----------------------------------------------------------------------------------

start_server() {
    set -- 127.0.0.1:0
    if net has-ipv6; then set -- "$@" '[::1]:0'; fi
    "$SERVER_BIN" "$@" --tcp --every 1 >"$BUILD/server.out" 2>"$BUILD/server.err" &
    server_pid=$!
    eventually grep -q '^listening on tcp 127' "$BUILD/server.out" || { cat "$BUILD/server.err"; return 1; }
    ! net has-ipv6 || eventually grep -qF 'listening on tcp [::1]' "$BUILD/server.out"
}

answered() { tail -n 1 "$BUILD/server.err" | sed 's/^answered //'; }
has_answered() { [ "$(answered)" = "$1" ]; }

reflexive() { # HOST PORT
    turnutils_stunclient -p "$2" "$1" >"$BUILD/out" 2>&1 || { cat "$BUILD/out"; return 1; }
    cat "$BUILD/out"
    grep -qF "UDP reflexive addr: $1:" "$BUILD/out" || grep -qF "UDP reflexive addr: [$1]:" "$BUILD/out"
}

# What `stun` 0.97 sends first: a Binding request with CHANGE-REQUEST, whose id has no magic cookie. RFC 8489 s11
# lets a server answer such clients; ours does not, and must not stumble over them either.
RFC3489='0001000801729002fea97270745e016f44f736640003000400000000'
MODERN='000100002112a442000102030405060708090a0b'

old_client() {
    before=$(answered)
    check "RFC 3489 request gets silence" hears "$RFC3489" silence
    check "and the server lives" hears "$MODERN" '0101*'
    if has stun; then
        # Its exit code speaks of the NAT that it sees; what counts is that it hears nothing.
        stun "127.0.0.1:$udp" >"$BUILD/stun.out" 2>&1 || :
        check "RFC 3489 client hears nothing" grep -q 'Blocked or could not reach' "$BUILD/stun.out"
        check "and the server lives on" hears "$MODERN" '0101*'
        check "and has counted only what it answered" eventually has_answered "$((before + 2))"
    else
        skip "stun (Debian: stun-client) is missing" 3
    fi
}

ask_server() {
    udp=$(listening udp 127.0.0.1) tcp=$(listening tcp 127.0.0.1)
    check "our server udp ipv4" finds 127.0.0.1 poll "127.0.0.1:$udp"
    check "our server tcp ipv4" finds 127.0.0.1 poll --tcp "127.0.0.1:$tcp"
    check "both are counted" eventually has_answered 2
    if net has-ipv6; then
        check "our server udp ipv6" finds '[::1]' poll "[::1]:$(listening udp '[::1]')"
        check "our server tcp ipv6" finds '[::1]' poll --tcp "[::1]:$(listening tcp '[::1]')"
        check "these too" eventually has_answered 4
    else
        skip "this machine has no ::1" 3
    fi
    if has turnutils_stunclient; then
        check "coturn's client ipv4" reflexive 127.0.0.1 "$udp"
        if net has-ipv6; then check "coturn's client ipv6" reflexive ::1 "$(listening udp '[::1]')"; fi
    else
        skip "turnutils_stunclient (Debian: coturn) is missing" 2
    fi
    old_client
    check "our server still runs" kill -0 "$server_pid"
}

ln -sf libstun.so "$LIBDIR/libstun.so.0" # the name that programs ask for
if ! has python3; then
    skip "python3 is missing" 1
elif ! build >"$BUILD/log" 2>&1; then
    cat "$BUILD/log" >&2
    failed=$((failed + 1))
else
    if ! has turnserver; then
        skip "turnserver (Debian: coturn) is missing" 10
    else
        # Not through check(): what this sets must be seen here, and it must not be started twice.
        if start_coturn >"$BUILD/log" 2>&1; then ask_coturn; else check "coturn starts" cat "$BUILD/coturn.log" /nonexistent; fi
    fi
    if [ ! -x "$SERVER_BIN" ]; then
        skip "$SERVER_BIN is missing: cargo build --example server" 14
    else
        if start_server >"$BUILD/log" 2>&1; then ask_server; else check "our server starts" cat "$BUILD/server.err" /nonexistent; fi
    fi
fi
stop_all
echo "interop: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
