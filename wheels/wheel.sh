#!/bin/bash
# Builds one wheel for TARGET (x86_64, aarch64, x86_64-musl) into dist/, with the interpreter
# that PYTHON names: a free-threaded one gives a wheel for itself, every other one for all.
# SPDX-License-Identifier: MIT
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

choose_target "${1:?usage: wheels/wheel.sh TARGET [FOLDER]}"
TARGET=$1
OUT=${2:-$ROOT/dist}
PREFIX=$("$WHEELS/deps.sh" "$TARGET")
WORK=$(mktemp -d "$CACHE/build-XXXXXX")
trap 'rm -rf "$WORK"' EXIT
mkdir -p "$OUT"

set_date

# From a copy: nothing is left in the checkout, and nothing that lies around there goes in.
mkdir "$WORK/tree"
cp -r "$ROOT"/{csrc,webhooksub,setup.py,pyproject.toml,README.md,LICENSE} "$WORK/tree"
find "$WORK/tree" \( -name '*.so' -o -name __pycache__ \) -exec rm -rf {} +

# A setuptools of one version, in an interpreter that may be any.
"$PYTHON" -m venv "$WORK/venv"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$WORK/venv/bin/pip" --quiet --no-input install \
    "$(grep '^setuptools==' "$WHEELS/requirements.txt")"
cd "$WORK/tree"
say "$TARGET with $("$PYTHON" -c 'import platform; print(platform.python_version())')"
# What the interpreter was itself compiled with does not go into the extension.
env -u SABOTAGE -u CPATH -u LIBRARY_PATH \
    WEBHOOKSUB_STATIC="$PREFIX" CC="$CC" LDSHARED="$CC -shared" CFLAGS=-fno-sanitize=undefined \
    PKG_CONFIG=pkg-config _PYTHON_HOST_PLATFORM="linux-$MACHINE" \
    "$WORK/venv/bin/pip" --quiet --no-input wheel --no-deps --no-build-isolation \
    --config-settings=--build-option=--plat-name="$PLATFORM" -w "$WORK/plain" . \
    >"$WORK/log" 2>&1 || {
    tail -n 60 "$WORK/log" >&2
    stop "the wheel could not be built"
}
"$TOOLS/bin/python" "$WHEELS/sbom.py" "$PREFIX" "$WORK"/plain/*.whl "$WORK/named"
# auditwheel finds out which glibc it is. musl it takes from the name, and a libc.so that it
# found on this machine would not be musl's.
"$TOOLS/bin/auditwheel" repair --plat auto --exclude libc.so -w "$WORK/repaired" \
    "$WORK"/named/*.whl
cp "$WORK"/repaired/*.whl "$OUT/"
