#!/bin/sh
# A TURN server for the tests of this package: a coturn on a free port of 127.0.0.1, with the user alice, whose password
# is s3cret. Prints the environment that the tests want, one variable a line, once it answers; then it stays until it is
# sent HUP, INT or TERM, and takes coturn with it.
#
#     bindings/swift/Tests/coturn.sh >turn.env &
set -eu
cd "$(dirname "$0")/../../.."
. tests/interop/helpers.sh

if ! has turnserver; then
    echo "coturn.sh: turnserver (Debian: coturn) is missing" >&2
    exit 1
fi
directory=$(mktemp -d)
pid=''
finish() {
    trap - EXIT HUP INT TERM
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    [ -z "$pid" ] || wait "$pid" 2>/dev/null || true
    rm -rf "$directory"
}
trap finish EXIT
trap 'finish; exit 0' HUP INT TERM

port=$(net ports 1)
# Every test that allocates takes a port or two.
first=$(net range 200)
sed -e "s/@PORT@/$port/g; s/@MIN_PORT@/$first/; s/@MAX_PORT@/$((first + 199))/; s,@DIRECTORY@,$directory,g" \
    tests/interop/coturn-auth.conf >"$directory/turn.conf"
printf 'allow-loopback-peers\nmobility\n' >>"$directory/turn.conf"
turnserver -c "$directory/turn.conf" >"$directory/log" 2>&1 &
pid=$!

# Any answer will do: one that demands credentials answers too.
answers() { [ "$(echo 000100002112a442000102030405060708090a0b | net ask 127.0.0.1 "$port")" != silence ]; }
if ! eventually answers; then
    echo "coturn.sh: coturn does not answer:" >&2
    cat "$directory/log" >&2
    exit 1
fi
echo "STUN_TEST_TURN=127.0.0.1:$port"
echo "STUN_TEST_TURN_USER=alice"
echo "STUN_TEST_TURN_PASSWORD=s3cret"
wait "$pid"
