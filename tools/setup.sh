#!/bin/bash
# What `make` needs on this machine: looks for each thing itself, not for a package's name,
# and installs on Debian >= 12 and Ubuntu >= 24.04 what it does not find. Nothing is asked,
# and nothing touched where all is there. Named after it is what few need: browser, fuzz,
# valgrind.
# SPDX-License-Identifier: MIT
set -euo pipefail

PYTHON=${PYTHON:-python3}
OS_RELEASE=${OS_RELEASE:-/etc/os-release}
missing=()
uses=("$@")

stop() {
    echo "webhooksub: $*" >&2
    exit 1
}

# need PACKAGE COMMAND...: the package is missing unless the command succeeds.
need() {
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

has_header() {
    echo "#include <$1>" | "${CC:-cc}" -E -
}

has_library() {
    pkg-config --exists "$1"
}

# Where servers are, which the PATH of a user may lack.
has_server() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin" command -v "$1"
}

has_header_of_python() {
    local folder
    folder=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("include"))') &&
        test -f "$folder/Python.h"
}

can_fuzz() {
    local clang
    clang=$(command -v clang clang-19 clang-18 clang-17 clang-16 clang-14 | head -n 1)
    [ -n "$clang" ] && echo 'int main(void) { return 0; }' |
        "$clang" -x c - -fsanitize=fuzzer-no-link,address -o /dev/null
}

look() {
    missing=()
    look_everywhere
    local use
    for use in "${uses[@]}"; do
        case $use in
        browser)
            need chromium command -v chromium
            need npm command -v npm
            ;;
        fuzz) can_fuzz >/dev/null 2>&1 || missing+=(clang libclang-rt-dev) ;;
        valgrind) need valgrind command -v valgrind ;;
        *) stop "knows nothing that is needed for $use" ;;
        esac
    done
}

look_everywhere() {
    need gcc command -v "${CC:-cc}"
    need libc6-dev has_header stdlib.h
    need make command -v make
    need pkg-config command -v pkg-config
    need libcurl4-openssl-dev has_library 'libcurl >= 7.88'
    need libssl-dev has_library 'openssl >= 3.0'
    need libcjson-dev has_library libcjson
    need libcmocka-dev has_library cmocka
    need strace command -v strace
    need sqlite3 command -v sqlite3
    need openssl command -v openssl
    need curl command -v curl
    need redis-server command -v redis-server
    need postgresql command -v pg_ctlcluster
    need pgbouncer has_server pgbouncer
    need python3 command -v "$PYTHON"
    need python3-venv "$PYTHON" -c 'import ensurepip, venv'
    need python3-dev has_header_of_python
}

refuse_old_python() {
    command -v "$PYTHON" >/dev/null || return 0
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        stop "needs Python 3.11 or newer, and $PYTHON is" \
            "$("$PYTHON" -c 'import platform; print(platform.python_version())');" \
            "name a newer one: make PYTHON=/path/to/python3"
}

# A libcurl on GnuTLS cannot share one store of certificates; its header package excludes ours.
refuse_gnutls() {
    if pkg-config --libs libcurl 2>/dev/null | grep -q gnutls; then
        stop "needs a libcurl on OpenSSL: install libcurl4-openssl-dev in place of" \
            "libcurl4-gnutls-dev"
    fi
}

# The system's own files say which system it is; a testing Debian has no VERSION_ID.
refuse_other_systems() {
    local ID=unknown VERSION_ID='' PRETTY_NAME='this system'
    # shellcheck disable=SC1090
    [ -r "$OS_RELEASE" ] && . "$OS_RELEASE"
    local least
    case $ID in
    debian) least=12 ;;
    ubuntu) least=24.04 ;;
    *) least=none ;;
    esac
    if [ "$least" = none ] || { [ -n "$VERSION_ID" ] && older "$VERSION_ID" "$least"; }; then
        stop "sets itself up on Debian 12 or newer and Ubuntu 24.04 or newer, and this is" \
            "$PRETTY_NAME: please install yourself what these give there: ${missing[*]}"
    fi
}

older() {
    [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

install() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null ||
            stop "needs packages; run as root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    echo "webhooksub: installing ${missing[*]}"
    "${as_root[@]}" apt-get update -q -o Acquire::Retries=5 </dev/null
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=5 \
        "${missing[@]}" </dev/null
}

look
refuse_gnutls
[ ${#missing[@]} -eq 0 ] || refuse_other_systems
refuse_old_python
if [ ${#missing[@]} -gt 0 ]; then
    install
    refuse_old_python
    look
    [ ${#missing[@]} -eq 0 ] || stop "still does not find what ${missing[*]} would give"
fi
