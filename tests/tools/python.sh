#!/usr/bin/env bash
# The Python package: its wheel is built and installed into a virtual environment, and tested there, with its types, its
# stubs, its style and its sdists. PYTHON=python3.12 chooses another interpreter.
#
# Everything is made in target/checks/python and kept, so that a second run needs neither the network nor much time.
set -u
cd "$(dirname "$0")/../.."
project=$PWD
# What is imported is what was installed: nothing else may lead to a libstun.
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PYTHONSAFEPATH=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
work=${BUILD:-$project/target/checks}/python
mkdir -p "$work"
work=$(cd "$work" && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$project/target}
export HYPOTHESIS_STORAGE_DIRECTORY=$work/hypothesis MYPY_CACHE_DIR=$work/mypy RUFF_CACHE_DIR=$work/ruff
python=${PYTHON:-python3}
bin=$work/venv/bin

give_up() {
    echo "python: $*" >&2
    exit 1
}

# A virtual environment with the packages named, made anew when those or the interpreter are others than last time.
environment() {
    local folder=$1 stamp
    shift
    stamp=$("$python" -VV && cat python/tests/requirements.txt && echo "$@")
    [ "$stamp" = "$(cat "$folder/stamp" 2>/dev/null)" ] && return
    rm -rf "$folder"
    "$python" -m venv "$folder" || give_up "no virtual environment: Debian has them in python3-venv"
    "$folder/bin/pip" install --quiet "$@" || give_up "pip could not install what the tests need: is there a network?"
    echo "$stamp" >"$folder/stamp"
}

# One check: counts, and shows what it had to say if it fails.
check() {
    local name=$1 log=$work/check.log
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "$name: ok"
    else
        failed=$((failed + 1))
        cat "$log"
        echo "$name: FAILED"
    fi
}

# Puts what pip is given into the second environment, and runs the first example of the package there.
installs() {
    "$work/clean/bin/pip" uninstall --quiet --yes libstun 2>/dev/null
    (cd "$work" && "$work/clean/bin/pip" install --quiet --no-build-isolation --no-deps "$1") || return
    (cd "$work" && "$work/clean/bin/python" - <<'PYTHON'
import doctest, sys
import libstun
assert libstun.__file__.startswith(sys.prefix), libstun.__file__
result = doctest.testmod(libstun)
assert result.attempted and not result.failed, result
PYTHON
    )
}

# Makes the sdist of a folder with a pyproject.toml, and installs from what it holds. Compiling takes a while: an sdist
# that has passed before is not tried again.
sdist_installs() {
    local folder=$1 name=$2 sdist hash
    rm -rf "$work/sdist-$name"
    (cd "$folder" && "$bin/maturin" sdist --out "$work/sdist-$name" 2>"$work/sdist.log") || { cat "$work/sdist.log"; return 1; }
    sdist=$(echo "$work/sdist-$name"/libstun-*.tar.gz)
    [ "$(stat -c %s "$sdist")" -lt 1000000 ] || { echo "$sdist is not small"; return 1; }
    hash=$("$python" -VV; sha256sum <"$sdist")
    [ "$hash" = "$(cat "$work/sdist-$name.passed" 2>/dev/null)" ] && return
    # In one place, always, so that building leaves nothing behind but what the next time replaces. Not where the project
    # itself is compiled: Cargo tells a copy from it by nothing, and would take the one for the other.
    rm -rf "$work/unpacked" && mkdir "$work/unpacked"
    tar -xzmf "$sdist" -C "$work/unpacked" --strip-components=1
    CARGO_TARGET_DIR=$work/target installs "$work/unpacked" || return
    echo "$hash" >"$work/sdist-$name.passed"
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || give_up "$python is older than 3.11"
builder=$("$python" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
environment "$work/venv" "$builder" -r python/tests/requirements.txt
environment "$work/clean" "$builder"
# pip calls the builder by its name.
export PATH=$bin:$PATH

rm -rf "$work/wheels"
"$bin/maturin" build --quiet --locked --interpreter "$bin/python" --out "$work/wheels" || give_up "the wheel could not be built"
LIBSTUN_WHEEL=$(echo "$work/wheels"/libstun-*.whl)
export LIBSTUN_WHEEL
echo "$(basename "$LIBSTUN_WHEEL"): $(stat -c %s "$LIBSTUN_WHEEL") bytes"
"$bin/pip" uninstall --quiet --yes libstun 2>/dev/null
"$bin/pip" install --quiet "$LIBSTUN_WHEEL[cli]" || give_up "the wheel could not be installed: is there a network?"

sources=python
[ -d examples/python ] && sources="python examples/python"
rm -f "$work/pytest.xml"
"$bin/pytest" -q -o cache_dir="$work/pytest" --junitxml="$work/pytest.xml" python/tests
read -r passed failed skipped < <("$bin/python" tests/tools/junit.py "$work/pytest.xml")
check "types of the package" "$bin/mypy" --config-file python/pyproject.toml -p libstun
check "types of the tests" "$bin/mypy" --config-file python/pyproject.toml python/tests
check "types of the benches" "$bin/mypy" --config-file python/pyproject.toml python/benches
[ -d examples/python ] && check "types of the examples" "$bin/mypy" --config-file python/pyproject.toml examples/python
check "stubs" "$bin/python" -m mypy.stubtest --mypy-config-file python/pyproject.toml \
    --allowlist python/tests/stubtest.txt libstun._native
# shellcheck disable=SC2086
check "lint" "$bin/ruff" check $sources
# shellcheck disable=SC2086
check "format" "$bin/ruff" format --check $sources
check "pip install ." installs "$project"
check "pip install ./python" installs "$project/python"
check "sdist of ." sdist_installs "$project" root
check "sdist of ./python" sdist_installs "$project/python" python

echo "python: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
