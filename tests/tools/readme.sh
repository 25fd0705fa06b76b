#!/bin/sh
# The README's C and C++ programs compile as they stand there, without a warning; its Kotlin and its Swift are the samples
# that the tests of those packages run. (Its Rust is a doctest.)
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-$PWD/target/checks}/readme
mkdir -p "$build"

# What the snippets leave to their reader.
cat >"$build/host.h" <<'HOST'
#include "stun.h"
#ifdef __cplusplus
void my_send(int fd, const stun_packet &packet);
bool my_receive(int fd, stun_packet &packet);
#else
stun_time my_clock(void);
void my_send(int fd, const stun_packet *packet);
int my_receive(int fd, stun_packet *packet);
#endif
HOST
snippet() { sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" README.md | sed '/^```/d' >"$2"; }
snippet c "$build/snippet.c"
snippet cpp "$build/snippet.cpp"
test -s "$build/snippet.c" && test -s "$build/snippet.cpp"
${CC:-cc} -std=c99 -Wall -Wextra -Werror -Iinclude -include "$build/host.h" -c "$build/snippet.c" -o "$build/c.o"
${CXX:-c++} -std=c++17 -Wall -Wextra -Werror -Iinclude -include "$build/host.h" -c "$build/snippet.cpp" -o "$build/cpp.o"
snippet kotlin "$build/Address.kt"
snippet swift "$build/main.swift"
cmp "$build/Address.kt" examples/kotlin/Address.kt
cmp "$build/main.swift" examples/swift/Sources/Address/main.swift
echo "readme: 4 passed, 0 failed, 0 skipped"
