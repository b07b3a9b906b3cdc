#!/bin/bash
# Runs COMMAND inside ROOT, in mounts and processes of its own: what it writes is gone at the
# end, except below WORK, which lies at the same path inside. Called by unshare.
# SPDX-License-Identifier: MIT
set -euo pipefail
ROOT=$1 WORK=$2
shift 2

MERGED=$WORK/.root
mkdir -p "$WORK/.changes" "$MERGED"
mount -t tmpfs tmpfs "$WORK/.changes"
mkdir "$WORK/.changes/upper" "$WORK/.changes/work"
mount -t overlay overlay \
    -o "lowerdir=$ROOT,upperdir=$WORK/.changes/upper,workdir=$WORK/.changes/work" "$MERGED"
mkdir -p "$MERGED$WORK" "$MERGED/dev/shm"
mount --bind "$WORK" "$MERGED$WORK"
mount -t proc proc "$MERGED/proc"
for device in null zero full random urandom tty; do
    touch "$MERGED/dev/$device"
    mount --bind "/dev/$device" "$MERGED/dev/$device"
done
mount -t tmpfs tmpfs "$MERGED/dev/shm"
# Terminals, which programs look different on.
mkdir -p "$MERGED/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$MERGED/dev/pts"
ln -sf pts/ptmx "$MERGED/dev/ptmx"
mount -t tmpfs tmpfs "$MERGED/tmp"
cp /etc/resolv.conf "$MERGED/etc/resolv.conf"
grep -q localhost "$MERGED/etc/hosts" 2>/dev/null ||
    printf '127.0.0.1 localhost\n::1 localhost\n' >>"$MERGED/etc/hosts"
exec chroot "$MERGED" "$@"
