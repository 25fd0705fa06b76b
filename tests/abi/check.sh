#!/bin/sh
# The exported names are the ABI: the shared library and the static archive give exactly tests/abi/symbols.txt,
# none of them is another library's, and the header declares each.
#
#   LIBDIR  where libstun.so and libstun.a are   target/dist
#   UPDATE  set: writes symbols.txt instead
set -eu
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/tests/abi
LIBDIR=${LIBDIR:-$root/target/dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0 passed=0
check() {
    if [ "$2" -eq 0 ]; then echo "ok      $1"; passed=$((passed + 1)); else echo "FAILED  $1"; failed=$((failed + 1)); fi
}
same() {
    code=0
    diff -u "$2" "$3" || code=$?
    check "$1" "$code"
}

nm -D --defined-only "$LIBDIR/libstun.so" | awk '{ print $3 }' | sort >"$work/shared"
if [ -n "${UPDATE:-}" ]; then cp "$work/shared" "$here/symbols.txt"; fi
same "the shared library exports symbols.txt and nothing else" "$here/symbols.txt" "$work/shared"

# Other names in the archive are Rust's own, mangled.
nm -g --defined-only "$LIBDIR/libstun.a" 2>/dev/null | awk 'NF == 3 && $3 ~ /^stun/ { print $3 }' | sort >"$work/static"
same "the static archive defines the same" "$here/symbols.txt" "$work/static"

header=$(sed -e '/^#if defined(STUN_PANIC_INJECTION)/,/^#endif/d' "$root/include/stun.h" | tr '\n' ' ')
printf '%s\n' "$header" | grep -oE 'STUN_API +[a-z][^;#]*;' | sed 's/ *(.*//; s/.*[ *]//' | sort >"$work/declared"
same "the header declares them" "$here/symbols.txt" "$work/declared"

grep -v '^#' "$here/deny.txt" | grep . | sort -u >"$work/denied"
comm -12 "$work/shared" "$work/denied" >"$work/clashes"
cat "$work/clashes"
check "none is another library's" "$(wc -l <"$work/clashes")"

grep -vc '^stun_' "$work/shared" >"$work/count" || true
check "all begin with stun_" "$(cat "$work/count")"

# Macros and enumerators of other libraries' headers; a program may include both.
grep -nE '\bSTUN_(ATTR|METHOD|CLASS|ERROR|ATTRIBUTE|MESSAGE|USAGE|AGENT|TRANSACTION)_[A-Z0-9_]+\b' "$root/include/stun.h" >"$work/macros" || true
cat "$work/macros"
check "no constant begins as another library's do" "$(wc -l <"$work/macros")"

soname=$(readelf -d "$LIBDIR/libstun.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
code=0
[ "$soname" = libstun.so.0 ] || code=1
check "the SONAME is libstun.so.0 ($soname)" "$code"

code=0
! grep -q stun_test_panic "$work/shared" "$work/static" || code=1
check "what panics on purpose is not in it" "$code"

echo "$(wc -l <"$work/shared") symbols"
echo "abi: $passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
