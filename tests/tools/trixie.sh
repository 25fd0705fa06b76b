#!/bin/sh
# A Debian 13 in a folder of its own, for what older Debians lack: Rust 1.85, Swift 6. Root on Debian only.
#
#   trixie.sh FOLDER PACKAGE...   makes it, or what it lacks, and mounts what programs in it need
#   trixie.sh --unmount FOLDER    takes back what one such call has mounted
#
# The folder is made once, and can be deleted at any time (unmount it first). Several scripts may use it at once: they
# wait for each other here, and each has mounts of its own, one over the other, so that none takes another's away.
set -eu

if [ "$1" = --unmount ]; then
    for place in proc dev; do
        # Lazily: what another script has open stays so, and finds the mount below for what it opens next.
        umount -l "$2/$place" 2>/dev/null || true
    done
    exit 0
fi

root=$1
shift
mkdir -p "$root"
exec 9>"$root.lock"
flock 9

# A folder whose making was cut short has no mark, and is made anew.
if [ ! -e "$root/etc/libstun-complete" ]; then
    command -v debootstrap >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }
    # The host's own mirror and its settings serve the new release as well.
    mirror=$(apt-cache policy | grep -v -e -security -e -updates -e -backports | sed -n 's/^ *[0-9]* \(http[^ ]*\) [^ ]*\/main .*/\1/p' | head -n 1)
    for place in proc dev; do
        while umount -l "$root/$place" 2>/dev/null; do :; done
    done
    rm -rf --one-file-system "$root"
    debootstrap --variant=minbase trixie "$root" ${mirror:+"$mirror"} >/dev/null
    cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    chroot "$root" apt-get update -qq
    touch "$root/etc/libstun-complete"
fi

# Swift's compiler finds its own libraries through /proc.
mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev" || { umount "$root/proc"; exit 1; }
trap '"$0" --unmount "$root"' EXIT

missing=""
for package in "$@"; do
    # shellcheck disable=SC2016 # dpkg's variable
    chroot "$root" dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
if [ -n "$missing" ]; then
    chroot "$root" apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
trap - EXIT
