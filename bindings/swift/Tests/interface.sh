#!/bin/sh
# That the public interface of Stun shows nothing of the generated layer. Needs a Swift 6 on PATH and what
# bindings/uniffi/build.sh swift makes; takes seconds after a build.
set -eu
cd "$(dirname "$0")/.."

say() { echo "interface: $*" >&2; exit 1; }

find .build -path '*/symbolgraph/*.json' -exec rm -f {} +
# With the flags that the tests are built with: without them the next build would be without them as well.
swift package -Xlinker "-L$PWD/lib" dump-symbol-graph --minimum-access-level public --skip-synthesized-members >/dev/null
graphs=$(find .build -path '*/symbolgraph/*.json')
stun=$(echo "$graphs" | grep '/Stun\.symbols\.json$') || say "there is no graph of Stun"
raw=$(echo "$graphs" | grep '/StunRaw\.symbols\.json$') || say "there is no graph of StunRaw"

# These would be there if the search below could not find anything.
grep -q '"s:4Stun5AgentC"' "$stun" || say "Agent is missing in $stun"
grep -q 's:7StunRaw' "$raw" || say "$raw says nothing of the generated layer"

if grep -oE '"[^"]*(7StunRaw|StunRaw|StunFFI|[Uu]ni[Ff][Ff][Ii]|FfiConverter|RustBuffer)[^"]*"' "$stun" | sort -u | grep .; then
    say "the generated layer shows in public"
fi
! echo "$graphs" | grep -E '/Stun@(StunRaw|StunFFI|Foundation)' || say "types of others are extended in public"

echo "interface: nothing of the generated layer shows"
