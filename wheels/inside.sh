#!/bin/sh
# What the matrix tries inside a root besides the test suite; a line "ok: …" for each thing that
# held. WHAT is `no-certificates` or `sdist`, FILE a wheel or an sdist, FOLDER a place to work in.
# SPDX-License-Identifier: MIT
set -eu
WHAT=$1 FILE=$2 FOLDER=$3
BIN=$FOLDER/plain/bin
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

ok() {
    echo "ok: $*"
}

bad() {
    echo "BAD: $*"
    exit 1
}

install() {
    python3 -m venv "$FOLDER/plain"
    "$BIN/pip" install --quiet "$FILE"
    "$BIN/pip" check
}

demo() {
    "$BIN/webhooksub" demo --json || bad "demo"
    ok "the demo delivers"
}

no_certificates() {
    ! command -v cc gcc || bad "there is a compiler"
    install
    ok "installs without a compiler"
    # Debian's pip has no certificates of its own: what comes later is fetched now.
    "$BIN/pip" download --quiet --dest "$FOLDER/later" certifi
    rm -rf /etc/ssl /usr/lib/ssl /etc/pki /usr/share/ca-certificates
    said=$("$BIN/webhooksub" doctor) && bad "doctor is content without certificates"
    for place in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
        /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem /usr/lib/ssl certifi WEBHOOKSUB_CA_BUNDLE; do
        case $said in *"$place"*) ;; *) bad "doctor does not name $place: $said" ;; esac
    done
    ok "without certificates every place that was tried is named"
    said=$("$BIN/python" -c 'import webhooksub as w
w.Dispatcher("sqlite:////tmp/hooks.db", authorizer=w.allow_all).start()' 2>&1) && bad "it starts"
    case $said in *ConfigurationError:*) ;; *) bad "$said" ;; esac
    ok "without certificates nothing starts"
    demo
    "$BIN/python" -m zipfile -e "$FOLDER"/later/certifi-*.whl "$FOLDER"/plain/lib/python3.*/site-packages
    "$BIN/webhooksub" doctor | grep certificates | grep certifi || bad "certifi is not found"
    ok "certifi is found"
    WEBHOOKSUB_CA_BUNDLE=$PIP_CERT "$BIN/webhooksub" doctor | grep "$PIP_CERT" || bad "bundle"
    ok "a named bundle comes first"
}

# With the packages that the README names, and no others.
sdist() {
    command -v cc && bad "there is a compiler before it is installed"
    if said=$(install 2>&1); then bad "it builds out of nothing"; fi
    for package in build-essential python3-dev pkg-config libcurl4-openssl-dev libssl-dev \
        libcjson-dev; do
        case $said in *"$package"*) ;; *) bad "$package is not named: $said" ;; esac
    done
    ok "what is missing is named"
    rm -rf "$FOLDER/plain"
    # A mirror that lags behind is good enough for this.
    apt-get update -q -o Acquire::Check-Valid-Until=false >/dev/null
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        $DOCUMENTED >/dev/null
    install
    ok "builds with the documented packages"
    "$BIN/webhooksub" doctor || true
    demo
}

case $WHAT in
no-certificates) no_certificates ;;
sdist) sdist ;;
esac
