#!/usr/bin/env bash
# Runs every fuzz target for so many seconds from its committed corpus, says what came of it, and packs what
# the corpus has become.
#
#     tests/fuzz/run.sh SECONDS [TARGET ...]
#
# SANITIZER=none is about three times as fast and sees panics only. Needs cargo-fuzz, which it installs.
set -eu
cd "$(dirname "$0")"
seconds=${1:?seconds for each target}
shift
read -r -a targets <<<"${*:-decode encode stream classify agent c_abi nat turn sim}"
sanitizer=${SANITIZER:-address}
export RUSTC_BOOTSTRAP=1 # libFuzzer's instrumentation, on a stable toolchain
command -v cargo-fuzz >/dev/null || cargo install --quiet --locked cargo-fuzz

main_target=${CARGO_TARGET_DIR:-$PWD/../../target}
export CARGO_TARGET_DIR=$main_target
cargo build --quiet --locked --manifest-path ../../Cargo.toml -p libstun-fuzz-harness --example corpus
corpus=$main_target/debug/examples/corpus
export CARGO_TARGET_DIR=$main_target/fuzz-$sanitizer
cargo fuzz build --fuzz-dir . --sanitizer "$sanitizer"
binaries=$CARGO_TARGET_DIR/$(rustc -vV | sed -n 's/^host: //p')/release
work=$CARGO_TARGET_DIR/corpora
mkdir -p "$work" artifacts corpus

options() {
    case $1 in
    decode) echo "-max_len=2048 -dict=decode.dict" ;;
    *) echo "-max_len=768" ;;
    esac
}

stat() { sed -n "s/^stat::$1: *//p" "$log"; }

failed=()
printf '%-10s %14s %10s %8s %8s %8s\n' target executions per-second cov features new
for target in "${targets[@]}"; do
    rm -rf "${work:?}/$target"
    "$corpus" unpack "corpus/$target.hex" "$work/$target"
    case $target in decode | stream | classify | c_abi) "$corpus" seed ../vectors "$work/$target" ;; esac
    log=$work/$target.log
    # shellcheck disable=SC2046 # the options are words
    "$binaries/$target" $(options "$target") -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="artifacts/$target-" "$work/$target" >"$log" 2>&1 ||
        failed+=("$target")
    read -r cov ft < <(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) .*/\1 \2/p' "$log" | tail -1)
    printf '%-10s %14s %10s %8s %8s %8s\n' "$target" "$(stat number_of_executed_units)" \
        "$(stat average_exec_per_sec)" "${cov:-?}" "${ft:-?}" "$(stat new_units_added)"
    # Fewer inputs with the same coverage.
    mkdir "$work/$target.min"
    "$binaries/$target" -merge=1 $(options "$target") "$work/$target.min" "$work/$target" >/dev/null 2>&1
    "$corpus" pack "$work/$target.min" "corpus/$target.hex"
    rm -rf "$work/$target.min"
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}; the inputs are in tests/fuzz/artifacts" >&2
    exit 1
fi
