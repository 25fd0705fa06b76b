#!/bin/sh
# Builds the core and the C ABI with Rust 1.85, the oldest that both promise.
#
# rustup's 1.85 if it is installed; else Debian 13's rustc, which is 1.85 too, in a folder of its own
# (MSRV_ROOT, made once with debootstrap; root only). Dependencies are vendored first, so that the old cargo
# needs no network.
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

if [ ! -x "$root/usr/bin/cargo" ]; then
    command -v debootstrap >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }
    # The host's own mirror and its settings serve the new release as well.
    mirror=$(apt-cache policy | grep -v -e -security -e -updates -e -backports | sed -n 's/^ *[0-9]* \(http[^ ]*\) [^ ]*\/main .*/\1/p' | head -n 1)
    debootstrap --variant=minbase trixie "$root" "$mirror" >/dev/null
    cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    chroot "$root" apt-get update -qq
    chroot "$root" apt-get install -y -qq --no-install-recommends cargo gcc libc6-dev >/dev/null
fi

rm -rf "$work/src" && mkdir -p "$work/src/.cargo"
git ls-files -z | xargs -0 cp --parents -t "$work/src"
(cd "$work/src" && cargo vendor --locked vendor 2>/dev/null >.cargo/config.toml)
rm -rf "$root/work" && cp -r "$work/src" "$root/work"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
trap 'umount "$root/proc" "$root/dev"' EXIT
chroot "$root" /usr/bin/rustc --version
chroot "$root" /usr/bin/env HOME=/root sh -c \
    'cd /work && cargo build --offline --locked -p libstun -p libstun-c && cargo build --offline --locked -p libstun --no-default-features'
echo "msrv: 2 passed, 0 failed, 0 skipped"
