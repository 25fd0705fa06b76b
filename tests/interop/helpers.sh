# What the scripts of this folder share: `. tests/interop/helpers.sh`, from the root, after report.sh. BUILD is
# where to work.
# shellcheck shell=sh disable=SC2034,SC2154 # the counts are report.sh's

# skip WHAT CHECKS: what is not there is skipped aloud, and in CI it is a failure.
skip() {
    if [ "${CI:-}" = true ]; then
        echo "FAILED: $1" >&2
        failed=$((failed + $2))
    else
        echo "SKIPPED: $1" >&2
        skipped=$((skipped + $2))
    fi
}

has() { command -v "$1" >/dev/null; }
net() { python3 tests/interop/net.py "$@"; }
not() { ! "$@"; }

# eventually COMMAND...: tries for five seconds.
eventually() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || return 1
        sleep 0.1
    done
}

# hears HEX EXPECTED: what our server at 127.0.0.1:$udp answers to a datagram, or "silence".
hears() {
    heard=$(echo "$1" | net ask 127.0.0.1 "$udp")
    case $heard in $2) ;; *) echo "heard $heard"; return 1 ;; esac
}

# listening TRANSPORT ADDRESS: the first port, as our server says it.
listening() { grep -F "listening on $1 $2:" "$BUILD/server.out" | sed 's/.*://' | head -n 1; }

# Only what was started here, by its own number.
stop() {
    [ -n "$1" ] || return 0
    kill "$1" 2>/dev/null || :
    wait "$1" 2>/dev/null || :
}
