#!/usr/bin/env bash
# Every check of the project, one after the other, and a line of counts at the end. A step that fails does
# not keep the later ones from running.
set -u
cd "$(dirname "$0")/../.."
export BUILD=${BUILD:-$PWD/target/checks}
export LIBDIR=${LIBDIR:-${CARGO_TARGET_DIR:-$PWD/target}/dist}
logs=$BUILD/logs
mkdir -p "$logs"
failed_steps=()
started=$(date +%s)

# Runs a step, shows its output, keeps it for counting, and notes whether it failed.
step() {
    local name=$1 status began
    shift
    began=$(date +%s)
    printf '\n==> %s\n' "$name"
    "$@" 2>&1 | tee "$logs/$name.log"
    status=${PIPESTATUS[0]}
    printf '==> %s took %s s\n' "$name" "$(($(date +%s) - began))"
    [ "$status" = 0 ] || failed_steps+=("$name")
}

no_std() {
    cargo test --quiet --locked -p libstun --lib --no-default-features
}

# 10^5 random networks; the time limit only turns a loop without end into a failure.
sim() {
    timeout 600 cargo run --quiet --locked --release -p libstun-sim -- --seeds 100000 &&
        echo "sim: 1 passed, 0 failed, 0 skipped"
}

rm -f "$logs"/*.log
step format cargo fmt --all --check
step lint cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
step docs env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --locked --no-deps --workspace
step rust cargo test --quiet --locked --workspace
step no-std no_std
step sim sim
step library cargo build --quiet --locked --profile dist -p libstun-c
step abi tests/abi/check.sh
step c tests/c/run.sh
step cpp tests/cpp/run.sh
step install tests/install/run.sh
step interop tests/interop/run.sh
step interop-client tests/interop/client.sh
step interop-server tests/interop/server.sh
step interop-relay tests/interop/relay.sh
step python tests/tools/python.sh
step kotlin tests/tools/kotlin.sh
step swift tests/tools/swift.sh
step msrv tests/tools/msrv.sh
step readme tests/tools/readme.sh

printf '\nall of it took %s s\n' "$(($(date +%s) - started))"
exec python3 tests/tools/count.py "$logs" "${failed_steps[@]+"${failed_steps[@]}"}"
