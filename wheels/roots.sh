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
# What it starts for itself, but where a processor is imitated.
SERVERS='postgresql pgbouncer redis-server'
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
    {
        # By &&: where something follows by ||, bash does not end at an error.
        debootstrap "${options[@]}" "$suite" "$MADE.new" $MIRROR &&
            { [ "$suite" != "$NAME" ] || install_servers "$MADE.new"; }
    } >"$CACHE/$NAME.log" 2>&1 || {
        tail -n 20 "$CACHE/$NAME.log" >&2
        stop "the root $NAME cannot be made"
    }
    rm -rf "$MADE.new"/var/cache/apt/archives/*.deb
    mv "$MADE.new" "$MADE"
}

# in_root ROOT COMMAND...: with the /proc that packages of Debian look at.
in_root() {
    # shellcheck disable=SC2016
    unshare --mount sh -ec 'mount -t proc proc "$1/proc"; exec chroot "$@"' - "$@"
}

# Debian would make a cluster and start everything; the tests have servers of their own.
install_servers() {
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod +x "$1/usr/sbin/policy-rc.d"
    mkdir -p "$1/etc/postgresql-common"
    echo 'create_main_cluster = false' >"$1/etc/postgresql-common/createcluster.conf"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    in_root "$1" apt-get update -q &&
        in_root "$1" apt-get install -q -y --no-install-recommends \
            -o Dpkg::Options::=--force-confold $SERVERS
}

register_qemu() {
    need qemu-aarch64-static
    [ -e /proc/sys/fs/binfmt_misc/register ] ||
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
    grep -h . /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register
}

# A release that can be had, of those that Debian has sources of. It is moved to its place in one
# step: half of an installation that was stopped would be taken for a whole one.
make_free_threaded() {
    local apt=$CACHE/apt version
    export APT_CONFIG=$apt/apt.conf
    WORK=$(mktemp -d "$CACHE/build-XXXXXX")
    trap 'rm -rf "$WORK"' EXIT
    cd "$WORK"
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
            --disable-test-modules &&
            make -s -j"$JOBS" &&
            make -s install DESTDIR="$WORK/made"
    } >"$CACHE/$NAME.log" 2>&1 || {
        tail -n 20 "$CACHE/$NAME.log" >&2
        stop "$NAME cannot be built"
    }
    mv "$WORK/made$MADE" "$MADE"
}

if [ ! -e "$MADE" ]; then
    say "$NAME"
    rm -rf "$CACHE/root-$NAME"-????????????????
    case $NAME in
    python3.*t) make_free_threaded ;;
    *) make_root ;;
    esac
fi
echo "$MADE"
