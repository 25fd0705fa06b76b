#!/bin/sh
# Builds the core and the C ABI with Rust 1.85, the oldest that both promise.
#
# rustup's 1.85 if it is installed; else Debian 13's rustc, which is 1.85 too, in a folder of its own
# (MSRV_ROOT, see trixie.sh; root only). Dependencies are vendored first, so that the old cargo needs no network.
set -eu
cd "$(dirname "$0")/../.."
msrv=1.85
work=${BUILD:-$PWD/target/checks}/msrv

if command -v rustup >/dev/null 2>&1 && rustup toolchain list | grep -q "^$msrv"; then
    CARGO_TARGET_DIR=$work cargo "+$msrv" build --locked -p libstun -p libstun-c
    CARGO_TARGET_DIR=$work cargo "+$msrv" build --locked -p libstun --no-default-features
    echo "msrv: 2 passed, 0 failed, 0 skipped"
    exit 0
fi

root=${MSRV_ROOT:-/var/tmp/libstun-trixie}
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "msrv: neither rustup's $msrv nor root on Debian: skipped" >&2
    echo "msrv: 0 passed, 0 failed, 2 skipped"
    exit 0
fi

tests/tools/trixie.sh "$root" cargo gcc libc6-dev
trap 'tests/tools/trixie.sh --unmount "$root"' EXIT

rm -rf "$work/src" && mkdir -p "$work/src/.cargo"
git ls-files -z | xargs -0 cp --no-dereference --parents -t "$work/src"
(cd "$work/src" && cargo vendor --locked vendor 2>"$work/vendor.log" >.cargo/config.toml) || { cat "$work/vendor.log" >&2; exit 1; }
rm -rf --one-file-system "$root/work" && cp -r "$work/src" "$root/work"
chroot "$root" /usr/bin/rustc --version
chroot "$root" /usr/bin/env HOME=/root sh -c \
    'cd /work && cargo build --offline --locked -p libstun -p libstun-c && cargo build --offline --locked -p libstun --no-default-features'
echo "msrv: 2 passed, 0 failed, 0 skipped"
