#!/bin/bash
# Makes what the matrix runs in, and prints where it lies: roots of Debian (bookworm, trixie,
# sid, and trixie-aarch64 for qemu), or a free-threaded Python built from Debian's source.
# SPDX-License-Identifier: MIT
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

NAME=${1:?usage: wheels/roots.sh NAME}
MIRROR=http://deb.debian.org/debian
# What the suite calls besides Python; no compiler.
PACKAGES=python3,python3-venv,ca-certificates,curl,make,openssl,procps,sqlite3,strace
MADE=$CACHE/root-$NAME-$(hash_of roots.sh)

# A root of another machine starts its programs by qemu, which the kernel must know by now.
make_root() {
    need debootstrap
    local options=(--variant=minbase --include="$PACKAGES")
    local suite=${NAME%-aarch64}
    if [ "$suite" != "$NAME" ] && [ "$(uname -m)" != aarch64 ]; then
        options+=(--arch=arm64)
        [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ] || register_qemu
    fi
    rm -rf "$MADE.new"
    debootstrap "${options[@]}" "$suite" "$MADE.new" $MIRROR >"$CACHE/$NAME.log" 2>&1 || {
        tail -n 20 "$CACHE/$NAME.log" >&2
        stop "debootstrap of $NAME failed"
    }
    rm -rf "$MADE.new"/var/cache/apt/archives/*.deb
    mv "$MADE.new" "$MADE"
}

register_qemu() {
    need qemu-aarch64-static
    [ -e /proc/sys/fs/binfmt_misc/register ] ||
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    grep -h . /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register
}

# A release that can be had, of those that Debian has sources of.
make_free_threaded() {
    local apt=$CACHE/apt work version
    export APT_CONFIG=$apt/apt.conf
    work=$(mktemp -d "$CACHE/build-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    while read -r version; do
        apt-get source --download-only -q "${NAME%t}=$version" >/dev/null 2>&1 && break
        say "$NAME $version is listed and cannot be had"
        version=
    done < <(apt-cache showsrc "${NAME%t}" | sed -n 's/^Version: //p' | sort -rV)
    [ -n "$version" ] || stop "no source of ${NAME%t}"
    say "$NAME $version"
    mkdir source
    tar -xf "${NAME%t}"_*.orig.tar.?z -C source --strip-components=1
    cd source
    {
        ./configure -q --disable-gil --prefix="$MADE" --with-ensurepip=install \
            --disable-test-modules
        make -s -j"$JOBS"
        make -s install
    } >"$CACHE/$NAME.log" 2>&1 || {
        tail -n 20 "$CACHE/$NAME.log" >&2
        rm -rf "$MADE"
        stop "$NAME cannot be built"
    }
}

if [ ! -e "$MADE" ]; then
    say "$NAME"
    rm -rf "$CACHE/root-$NAME"-*
    case $NAME in
    python3.*t) make_free_threaded ;;
    *) make_root ;;
    esac
fi
echo "$MADE"
