#!/bin/sh
# Installs what the tests need beyond Rust: root on Debian or Ubuntu does it, everybody else is told how.
set -eu
packages="cmake clang coturn default-jdk-headless g++ gcc make maven pkg-config python3 python3-dev python3-venv stun-client tshark valgrind binutils"
# The sanitizers' runtime of clang goes by version, so ask for the default clang's.
commands="cmake clang turnserver javac g++ gcc mvn pkg-config python3 python3-config stun tshark valgrind nm"

missing=""
for command in $commands; do
    command -v "$command" >/dev/null 2>&1 || missing="$missing $command"
done
# Debian's Python comes without what makes virtual environments.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
[ -z "$missing" ] && exit 0

if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing what is missing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $packages >/dev/null
    # coturn's package starts a server on every address; the tests start their own, on loopback.
    if [ -d /run/systemd/system ]; then
        systemctl disable --now coturn >/dev/null 2>&1 || true
    fi
else
    echo "missing:$missing" >&2
    echo "run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $packages" >&2
    exit 1
fi
