#!/bin/bash
# Builds what a wheel links statically, for TARGET (x86_64, aarch64, x86_64-musl), and prints
# the folder where it lies: lib/, include/, and what was built in components.json.
# SPDX-License-Identifier: MIT
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

choose_target "${1:?usage: wheels/deps.sh TARGET}"
need make patch perl pkg-config

SOURCES=$CACHE/sources${WEBHOOKSUB_SOURCES:+-$(echo "$WEBHOOKSUB_SOURCES" | sha256sum | cut -c 1-16)}.json
# A choice is kept for a week: then it is asked again whether there is something newer.
if [ -n "${WEBHOOKSUB_FRESH:-}" ] || [ -z "$(find "$SOURCES" -mtime -7 2>/dev/null)" ]; then
    python3 "$WHEELS/sources.py" choose "$SOURCES.new" >&2 && mv "$SOURCES.new" "$SOURCES" ||
        [ -e "$SOURCES" ] || stop "no sources"
fi

key=$(hash_of deps.sh sources.py requirements.txt "$SOURCES")-$MACHINE-$LIBC
PREFIX=$CACHE/deps-$(echo "$key" | sha256sum | cut -c 1-16)-$1
if [ -e "$PREFIX/components.json" ]; then
    echo "$PREFIX"
    exit
fi

# Some paths end in the library: the one that it names must be nobody's to write.
NAMED=/usr/lib/webhooksub
WORK=$(mktemp -d "$CACHE/build-XXXXXX")
trap 'rm -rf "$WORK"' EXIT
STAGE=$WORK/stage$NAMED
mkdir -p "$STAGE/lib/pkgconfig" "$STAGE/include" "$STAGE/licenses"
CFLAGS="-O3 -flto -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -g0"
CFLAGS+=" -fstack-protector-strong -D_FORTIFY_SOURCE=2"
CFLAGS+=" -ffile-prefix-map=$WORK=. -ffile-prefix-map=$(realpath "$TOOLS")=zig"
AR="$ZIG ar"
RANLIB="$ZIG ranlib"

# quietly NAME COMMAND...: its output is shown only when it fails.
quietly() {
    local name=$1
    shift
    "$@" >>"$WORK/$name.log" 2>&1 || {
        tail -n 60 "$WORK/$name.log" >&2
        stop "building $name failed"
    }
}

unpack() {
    say "$1 for $TARGET"
    python3 "$WHEELS/sources.py" unpack "$SOURCES" "$1" "$WORK/$1"
    cp "$WORK/$1/$(python3 "$WHEELS/sources.py" license "$1")" "$STAGE/licenses/$1.txt"
    cd "$WORK/$1"
}

build_zlib() {
    unpack zlib
    CC="$CC" CFLAGS="$CFLAGS" AR="$AR" RANLIB="$RANLIB" \
        quietly zlib ./configure --static --prefix=$NAMED
    quietly zlib make -j"$JOBS" AR="$AR" RANLIB="$RANLIB" libz.a
    cp libz.a "$STAGE/lib/"
    cp zlib.h zconf.h "$STAGE/include/"
    sed "s|^prefix=.*|prefix=$NAMED|" zlib.pc >"$STAGE/lib/pkgconfig/zlib.pc"
}

build_cjson() {
    unpack cjson
    local version
    version=$(sed -n 's/^#define CJSON_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' cJSON.h | paste -sd .)
    # shellcheck disable=SC2086
    quietly cjson $CC $CFLAGS -std=c99 -c cJSON.c -o cJSON.o
    quietly cjson $AR rcs "$STAGE/lib/libcjson.a" cJSON.o
    mkdir -p "$STAGE/include/cjson"
    cp cJSON.h "$STAGE/include/cjson/"
    cat >"$STAGE/lib/pkgconfig/libcjson.pc" <<END
prefix=$NAMED
Name: libcjson
Description: JSON
Version: $version
Libs: -L\${prefix}/lib -lcjson -lm
Cflags: -I\${prefix}/include -I\${prefix}/include/cjson
END
}

# Nothing that is loaded at run time, and no configuration of the host's.
build_openssl() {
    unpack openssl
    # shellcheck disable=SC2086
    quietly openssl ./Configure "linux-$MACHINE" --prefix=$NAMED --openssldir=$NAMED --libdir=lib \
        no-shared no-module no-dso no-engine no-legacy no-autoload-config no-tests no-apps \
        no-docs no-comp no-ssl3 no-dtls no-quic no-srp no-psk no-cmp no-cms no-ts no-ct no-ocsp \
        no-rfc3779 no-idea no-seed no-camellia no-aria no-bf no-cast no-rc2 no-rc4 no-rc5 no-md4 \
        no-mdc2 no-rmd160 no-whirlpool no-sm2 no-sm3 no-sm4 no-siphash no-scrypt no-ui-console \
        no-gost no-makedepend \
        CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS"
    quietly openssl make -j"$JOBS" build_libs
    quietly openssl make install_dev DESTDIR="$WORK/stage"
}

# HTTP and HTTPS, and of those what a request needs: no state that one answer leaves for the
# next, no authentication, no certificates of its own choosing.
CURL_WITHOUT=(ALTSVC AWS BASIC_AUTH BEARER_AUTH BINDLOCAL COOKIES DIGEST_AUTH DOH FORM_API
    GETOPTIONS HEADERS_API HSTS HTTP_AUTH IPFS KERBEROS_AUTH LIBCURL_OPTION MIME NEGOTIATE_AUTH
    NETRC SHUFFLE_DNS SRP VERBOSE_STRINGS WEBSOCKETS)

build_curl() {
    unpack curl
    local options=() name
    for name in "${CURL_WITHOUT[@]}"; do
        options+=("-DCURL_DISABLE_$name=ON")
    done
    # A toolchain file, because a compiler with arguments is none to CMake.
    cat >"$WORK/toolchain.cmake" <<END
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $MACHINE)
set(CMAKE_C_COMPILER $WORK/cc)
set(CMAKE_AR $WORK/ar)
set(CMAKE_RANLIB $WORK/ranlib)
set(CMAKE_FIND_ROOT_PATH $STAGE)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
END
    printf '#!/bin/sh\nexec %s "$@"\n' "$CC" >"$WORK/cc"
    printf '#!/bin/sh\nexec %s "$@"\n' "$AR" >"$WORK/ar"
    printf '#!/bin/sh\nexec %s "$@"\n' "$RANLIB" >"$WORK/ranlib"
    chmod +x "$WORK/cc" "$WORK/ar" "$WORK/ranlib"
    quietly curl cmake -S . -B build -DCMAKE_TOOLCHAIN_FILE="$WORK/toolchain.cmake" \
        -DCMAKE_BUILD_TYPE=None -DCMAKE_C_FLAGS="$CFLAGS" -DCMAKE_INSTALL_PREFIX="$NAMED" \
        -DCMAKE_INSTALL_LIBDIR=lib -DCURL_USE_PKGCONFIG=OFF -DCURL_USE_CMAKECONFIG=OFF \
        -DOPENSSL_ROOT_DIR="$STAGE" -DOPENSSL_USE_STATIC_LIBS=ON \
        -DZLIB_INCLUDE_DIR="$STAGE/include" -DZLIB_LIBRARY="$STAGE/lib/libz.a" \
        -DBUILD_SHARED_LIBS=OFF -DBUILD_STATIC_LIBS=ON -DBUILD_CURL_EXE=OFF -DBUILD_TESTING=OFF \
        -DBUILD_EXAMPLES=OFF -DBUILD_LIBCURL_DOCS=OFF -DBUILD_MISC_DOCS=OFF \
        -DENABLE_CURL_MANUAL=OFF -DHTTP_ONLY=ON -DCURL_USE_OPENSSL=ON -DCURL_ZLIB=ON \
        -DCURL_BROTLI=OFF -DCURL_ZSTD=OFF -DCURL_USE_LIBPSL=OFF -DCURL_USE_LIBSSH2=OFF \
        -DUSE_NGHTTP2=OFF -DUSE_LIBIDN2=OFF -DENABLE_ARES=OFF -DENABLE_THREADED_RESOLVER=ON \
        -DENABLE_UNIX_SOCKETS=OFF -DCURL_CA_BUNDLE=none -DCURL_CA_PATH=none \
        -DCURL_CA_FALLBACK=OFF -DCURL_DISABLE_OPENSSL_AUTO_LOAD_CONFIG=ON "${options[@]}"
    quietly curl make -C build -j"$JOBS"
    quietly curl make -C build install DESTDIR="$WORK/stage"
    sed -i "s| -L$WORK[^ ]*||" "$STAGE/lib/pkgconfig/libcurl.pc"
}

TARGET=$1
build_zlib
build_cjson
build_openssl
build_curl
cp "$SOURCES" "$STAGE/components.json"
rm -rf "$PREFIX"
mv "$STAGE" "$PREFIX"
# Ones that newer scripts or sources have replaced.
find "$CACHE" -maxdepth 1 -name "deps-????????????????-$1" ! -path "$PREFIX" -exec rm -rf {} +
echo "$PREFIX"
