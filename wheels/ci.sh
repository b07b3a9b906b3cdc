#!/bin/bash
# What cibuildwheel runs, in its images: `prepare` before all, `repair WHEEL FOLDER` after each;
# and `identifiers`, which compares what it would build with what pyproject.toml lists.
# SPDX-License-Identifier: MIT
# The images' own python3 may be older than the tools want.
PATH=/opt/python/cp312-cp312/bin:$PATH
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

TARGET=$(uname -m)
if ldd --version 2>&1 | grep -q musl; then
    TARGET+=-musl
fi

# WEBHOOKSUB_SOURCES names a folder of upstream tarballs: these images have no Debian's apt.
prepare() {
    if command -v dnf >/dev/null; then
        dnf install -y perl-core patch make pkgconf
    else
        apk add perl patch make pkgconf
    fi
    ln -sfn "$("$WHEELS/deps.sh" "$TARGET")" "$CACHE/static"
    choose_target "$TARGET"
    printf '#!/bin/sh\nexec %s "$@"\n' "$CC" >"$CACHE/cc"
    chmod +x "$CACHE/cc"
}

repair() {
    local named
    named=$(mktemp -d)
    "$TOOLS/bin/python" "$WHEELS/sbom.py" "$CACHE/static/" "$1" "$named"
    auditwheel repair --plat auto -w "$2" "$named"/*.whl
    "$TOOLS/bin/python" "$WHEELS/check.py" "$2"/*.whl
}

identifiers() {
    local read_list
    read_list='import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))'
    read_list+='["tool"]["cibuildwheel"]["build"], sep="\n")'
    cd "$ROOT"
    diff <("$TOOLS/bin/cibuildwheel" --print-build-identifiers --platform linux \
        --archs x86_64,aarch64 | sort) <("$TOOLS/bin/python" -c "$read_list" | sort) ||
        stop "cibuildwheel would build others (<) than pyproject.toml lists (>)"
}

"$@"
