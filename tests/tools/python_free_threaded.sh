#!/usr/bin/env bash
# The Python package without the GIL.
#
# With a free-threaded interpreter (PYTHON_FREE_THREADED, or python3.15t or python3.14t on PATH) every check of python.sh
# runs on it. Without one, both wheels for such interpreters are built, which needs none of them, and the newer is tested
# with the GIL: one file serves both builds of Python 3.15 (PEP 803). That 3.15 is python3.15 on PATH, or Debian 14's in a
# folder of its own (PYTHON_ROOT, made once with debootstrap; root only).
set -eu
cd "$(dirname "$0")/../.."
unset PYTHONPATH PYTHONHOME VIRTUAL_ENV
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
project=$PWD
work=${BUILD:-$project/target/checks}/python-free-threaded
mkdir -p "$work"
work=$(cd "$work" && pwd)
packages="aioice dpkt hypothesis pytest rich"

for found in "${PYTHON_FREE_THREADED:-}" python3.15t python3.14t; do
    if [ -n "$found" ] && command -v "$found" >/dev/null; then
        BUILD=$work PYTHON=$found exec tests/tools/python.sh
    fi
done

# Both wheels. They have a folder of their own to be compiled in: the settings of PyO3 differ.
export CARGO_TARGET_DIR=$work/target
if [ ! -x "$work/venv/bin/maturin" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet "$(sed -n 's/^requires = \["\(.*\)"\]$/\1/p' pyproject.toml)"
fi
rm -rf "$work/wheels"
for version in 3.14t 3.15t; do
    "$work/venv/bin/maturin" build --quiet --locked --interpreter "python$version" --out "$work/wheels"
done
(cd "$work/wheels" && ls -l libstun-*-cp314-cp314t-*.whl libstun-*-cp315-abi3.abi3t-*.whl)
wheel=$(cd "$work/wheels" && echo libstun-*-abi3.abi3t-*.whl)

# Runs the tests on a Python 3.15. `folder` is ours as that sees it, and the rest of the line goes before its commands.
run_tests() {
    local folder=$1 tests=$2
    shift 2
    # shellcheck disable=SC2086
    "$@" python3.15 -m venv --clear "$folder/venv-3.15" &&
        "$@" "$folder/venv-3.15/bin/pip" install --quiet --no-index --find-links "$folder/wheels" $packages &&
        "$@" "$folder/venv-3.15/bin/pip" install --quiet --no-index "$folder/wheels/$wheel" &&
        "$@" env PYTHONSAFEPATH=1 "LIBSTUN_WHEEL=$folder/wheels/$wheel" \
            "$folder/venv-3.15/bin/pytest" -q -p no:cacheprovider --junitxml="$folder/pytest.xml" "$tests" || echo "the tests have failed" >&2
}

# What the tests need is fetched here, so that the other Python needs no network.
"$work/venv/bin/pip" download --quiet --only-binary :all: --python-version 3.15 --dest "$work/wheels" $packages

if command -v python3.15 >/dev/null; then
    rm -f "$work/pytest.xml"
    run_tests "$work" "$project/python/tests"
    report=$work/pytest.xml
elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    root=${PYTHON_ROOT:-/var/tmp/libstun-forky}
    if [ ! -x "$root/usr/bin/python3.15" ]; then
        command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }
        # The host's own mirror and its settings serve the new release as well; an older debootstrap has not heard of it.
        mirror=$(apt-cache policy | grep -v -e -security -e -updates -e -backports | sed -n 's/^ *[0-9]* \(http[^ ]*\) [^ ]*\/main .*/\1/p' | head -n 1)
        debootstrap --variant=minbase forky "$root" "$mirror" sid >/dev/null
        cp /etc/apt/apt.conf.d/* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
        chroot "$root" apt-get update -qq
        chroot "$root" apt-get install -y -qq --no-install-recommends python3.15 python3.15-venv >/dev/null
    fi
    rm -rf "$root/work" && mkdir "$root/work"
    git ls-files -z | xargs -0 cp --parents -t "$root/work"
    cp -r "$work/wheels" "$root/work/wheels"
    mount -t proc proc "$root/proc"
    mount --bind /dev "$root/dev"
    mount --bind /dev/pts "$root/dev/pts"
    trap 'umount "$root/dev/pts" "$root/dev" "$root/proc"' EXIT
    run_tests /work /work/python/tests chroot "$root"
    report=$root/work/pytest.xml
else
    echo "python-free-threaded: neither python3.15 nor root on Debian: the wheels were built and not tested" >&2
    echo "python-free-threaded: 2 passed, 0 failed, 1 skipped"
    exit 0
fi

# The wheels count as one each: that they could be built.
read -r passed failed skipped < <(python3 tests/tools/junit.py "$report")
echo "python-free-threaded: $((passed + 2)) passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
