# What the scripts of tests count with: `. tests/tools/report.sh`, from the root. Wants BUILD, a folder.
# shellcheck shell=sh disable=SC2034 # the counts are the caller's

passed=0 failed=0 skipped=0

# check NAME COMMAND...: a command that must succeed. An address that it found is shown.
check() {
    name=$1
    shift
    if "$@" >"$BUILD/log" 2>&1; then
        passed=$((passed + 1))
        sed -n "s/^mapped address/$name: &/p" "$BUILD/log" | head -n 1
    else
        failed=$((failed + 1))
        echo "FAILED $name" >&2
        cat "$BUILD/log" >&2
    fi
}
