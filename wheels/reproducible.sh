#!/bin/bash
# Builds the x86-64 wheel twice, in different folders and at different times, and compares.
# SPDX-License-Identifier: MIT
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

WORK=$(mktemp -d "$CACHE/build-XXXXXX")
trap 'rm -rf "$WORK"' EXIT
"$WHEELS/wheel.sh" x86_64 "$WORK/one"
"$WHEELS/wheel.sh" x86_64 "$WORK/two"
sha256sum "$WORK"/*/*.whl | sed "s|$WORK/||"
cmp "$WORK"/one/*.whl "$WORK"/two/*.whl || stop "two builds differ"
