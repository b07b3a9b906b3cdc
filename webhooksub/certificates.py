"""Which certificate authorities are trusted: found at run time, in one stated order.

argument or ``WEBHOOKSUB_CA_BUNDLE`` → ``SSL_CERT_FILE`` / ``SSL_CERT_DIR`` → the
distribution's bundle → OpenSSL's own default → the package certifi. None found is an error
that names every place, never an unverified connection.
"""

import functools
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from . import _core
from .errors import ConfigurationError

DISTRIBUTION_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
# A notebook's process lives for weeks; the authority's key is gone as soon as it has signed.
_LOCAL_DAYS = 365


@dataclass(frozen=True, slots=True)
class Authorities:
    """Where the trusted certificates are: a PEM file or a hashed directory."""

    source: str
    ca_file: str | None = None
    ca_dir: str | None = None


def find_authorities(
    bundle: str | None = None, environ: Mapping[str, str] = os.environ
) -> Authorities:
    """The first source that exists. Raises ConfigurationError naming the places tried.

    A place that the operator named and that does not exist is an error at once.
    """
    tried: list[str] = []
    for source, path, named in _candidates(bundle, environ):
        if Path(path).is_dir():
            return Authorities(source, ca_dir=path)
        if Path(path).is_file():
            return Authorities(source, ca_file=path)
        if named:
            raise ConfigurationError(f"{source}: {path} is no readable file or directory")
        tried.append(path)
    raise ConfigurationError(
        "no certificate authorities found; tried "
        + ", ".join(tried)
        + " and the package certifi; name a bundle by ca_bundle or WEBHOOKSUB_CA_BUNDLE"
    )


def _candidates(bundle: str | None, environ: Mapping[str, str]) -> Iterator[tuple[str, str, bool]]:
    if bundle:
        yield "ca_bundle", bundle, True
        return
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if environ.get(name):
            yield name, environ[name], True
    for path in DISTRIBUTION_BUNDLES:
        yield "distribution", path, False
    # By the names that are built in, also where nothing is: the error tells of them.
    paths = ssl.get_default_verify_paths()
    for default in (paths.openssl_cafile, paths.openssl_capath):
        yield "OpenSSL default", default, False
    try:
        certifi = import_module("certifi")
    except ImportError:
        return
    yield "certifi", certifi.where(), False


@functools.cache
def local_certificate() -> tuple[bytes, bytes, bytes]:
    """This process' throwaway authority, certificate and key (PEM) for local receivers.

    A dispatcher with ``dev=True`` trusts the authority; nothing else does.
    """
    return _core.issue_certificate("localhost,127.0.0.1,::1", _LOCAL_DAYS)
