#!/bin/sh
# Weighs the library of Kotlin and Swift as it is shipped, and looks for its generator in it: mobile_library.sh LIBRARY.
#
# It has 1123000 bytes on x86-64. What makes it grow by a tenth has to be looked at. That the generator is not even linked,
# tests/licenses.rs knows.
set -eu
most=1235000
library=$1

size=$(wc -c <"$library")
echo "$library: $size bytes, of at most $most"
if grep -qaE 'uniffi_bindgen|askama|goblin' "$library"; then
    echo "the generator is in it" >&2
    exit 1
fi
# Apple's libraries are of another format, and are not stripped here.
[ "$(uname -s)" != Linux ] || { [ "$size" -gt 0 ] && [ "$size" -le "$most" ]; }
