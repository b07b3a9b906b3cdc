#!/bin/bash
# Builds a program in C with the libraries that the wheel for TARGET links: for figures of what
# is shipped. The rest is for the compiler.
# SPDX-License-Identifier: MIT
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

choose_target "${1:?usage: wheels/program.sh TARGET OUTPUT SOURCE... [OPTION...]}"
PREFIX=$("$WHEELS/deps.sh" "$1")
OUTPUT=$2
shift 2
# shellcheck disable=SC2086 # CC is a command with its options
$CC -flto "$@" -DCURL_STATICLIB -I"$PREFIX/include" -I"$PREFIX/include/cjson" -o "$OUTPUT" \
    -L"$PREFIX/lib" -lcurl -lssl -lcrypto -lz -lcjson -lm -ldl -pthread
