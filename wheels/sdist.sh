#!/bin/bash
# Builds the sdist into dist/, the same bytes every time.
# SPDX-License-Identifier: MIT
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

OUT=${1:-$ROOT/dist}
WORK=$(mktemp -d "$CACHE/build-XXXXXX")
trap 'rm -rf "$WORK"' EXIT
set_date

# What git has, not what lies around; outside of git what is here.
if git -C "$ROOT" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$ROOT" ls-files -z --cached --others --exclude-standard |
        (cd "$ROOT" && xargs -0 sh -c 'for f; do [ -f "$f" ] && cp --parents "$f" "$0"; done' "$WORK")
else
    cp -r "$ROOT/." "$WORK"
fi
cd "$WORK"
"$TOOLS/bin/python" -m build --no-isolation --sdist --outdir "$WORK/.made" . >"$WORK/.log" 2>&1 || {
    tail -n 40 "$WORK/.log" >&2
    stop "the sdist could not be built"
}
# tar and gzip write times and owners down.
mkdir "$WORK/.tree" "$OUT" 2>/dev/null || mkdir -p "$WORK/.tree"
tar -xzf "$WORK"/.made/*.tar.gz -C "$WORK/.tree"
NAME=$(ls "$WORK/.tree")
tar -C "$WORK/.tree" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --format=ustar --mode=u=rwX,go=rX -cf - "$NAME" | gzip -9n >"$OUT/$NAME.tar.gz"
