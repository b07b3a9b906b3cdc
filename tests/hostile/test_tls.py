"""TLS as a hostile or broken endpoint speaks it, and whom we trust."""

import contextlib
import socket
import ssl
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from acme import PATH, RECORDS, Make
from apart import Apart
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from evil import Evil, Peer, agree, context_of, listen

from webhooksub import ConfigurationError, Delivery, DeliveryState, Outcome, certificates
from webhooksub.certificates import find_authorities

pytestmark = pytest.mark.hostile("T")

Serve = Callable[..., Evil]
Deliver = Callable[..., Delivery]

CERTIFICATE, HANDSHAKE = Outcome.TLS_CERTIFICATE, Outcome.TLS_HANDSHAKE
# For servers that are worse than our own OpenSSL would let them be.
ANY_STRENGTH = "ALL:NULL:@SECLEVEL=0"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(make: Make, authority: trustme.CA) -> Callable[..., Any]:
    """Dispatchers that trust the authority."""

    def make_one(**settings: Any) -> Any:
        return make(ca_pem=authority.cert_pem.bytes(), **settings)

    return make_one


def pem_of(leaf: trustme.LeafCert) -> bytes:
    return leaf.private_key_and_cert_chain_pem.bytes()


def issue(
    authority: trustme.CA,
    names: Iterable[x509.GeneralName] = (x509.DNSName("localhost"),),
    *,
    common_name: str = "somebody",
    key: Any = None,
) -> bytes:
    """A certificate that trustme would not issue, with its key, as PEM."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    signer = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = built.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return private + signed.public_bytes(serialization.Encoding.PEM)


# --- Certificates. ---


def test_a_certificate_for_the_host_is_accepted(
    trusting: Make, authority: trustme.CA, serve: Serve, deliver: Deliver
) -> None:
    """The control of the refusals below, by the same means."""
    for pem in (pem_of(authority.issue_cert("localhost")), issue(authority)):
        endpoint = serve(agree, tls=context_of(pem))
        assert deliver(trusting(), endpoint.url()).outcome is Outcome.SUCCESS


def for_other_host(authority: trustme.CA) -> bytes:
    return pem_of(authority.issue_cert("other.example"))


def for_common_name_only(authority: trustme.CA) -> bytes:
    return issue(authority, (), common_name="localhost")


def for_any_single_label(authority: trustme.CA) -> bytes:
    return issue(authority, (x509.DNSName("*"),), common_name="*")


def for_two_wildcards(authority: trustme.CA) -> bytes:
    return issue(authority, (x509.DNSName("*.*.localhost"),))


def for_another_depth(authority: trustme.CA) -> bytes:
    return issue(authority, (x509.DNSName("*.localhost"),))


def for_a_name_cut_by_zero(authority: trustme.CA) -> bytes:
    return issue(authority, (x509.DNSName("localhost\0.evil.example"),))


def for_a_common_name_cut_by_zero(authority: trustme.CA) -> bytes:
    return issue(authority, (), common_name="localhost\0.evil.example")


def for_the_parent(authority: trustme.CA) -> bytes:
    return pem_of(authority.issue_cert("localhost"))


def for_part_of_a_label(authority: trustme.CA) -> bytes:
    return issue(authority, (x509.DNSName("local*"), x509.DNSName("*host")))


def for_an_address_as_a_name(authority: trustme.CA) -> bytes:
    return issue(authority, (x509.DNSName("127.0.0.1"),), common_name="127.0.0.1")


def for_another_address(authority: trustme.CA) -> bytes:
    return pem_of(authority.issue_cert("127.0.0.2"))


def expired(authority: trustme.CA) -> bytes:
    now = datetime.now(UTC)
    leaf = authority.issue_cert(
        "localhost", not_before=now - timedelta(days=2), not_after=now - timedelta(minutes=1)
    )
    return pem_of(leaf)


def not_yet_valid(authority: trustme.CA) -> bytes:
    now = datetime.now(UTC)
    leaf = authority.issue_cert(
        "localhost", not_before=now + timedelta(days=1), not_after=now + timedelta(days=2)
    )
    return pem_of(leaf)


def self_signed(authority: trustme.CA) -> bytes:
    del authority
    own = trustme.CA()
    return own.private_key_pem.bytes() + own.cert_pem.bytes()


def of_unknown_authority(authority: trustme.CA) -> bytes:
    del authority
    return pem_of(trustme.CA().issue_cert("localhost"))


def without_intermediate(authority: trustme.CA) -> bytes:
    leaf = authority.create_child_ca().issue_cert("localhost")
    return leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes()


def of_a_leaf_that_signs(authority: trustme.CA) -> bytes:
    """Issued by a certificate that is no authority."""
    middle = trustme.CA.from_pem(*reversed(split_pem(pem_of(authority.issue_cert("localhost")))))
    return issue(middle) + middle.cert_pem.bytes()


def with_a_short_key(authority: trustme.CA) -> bytes:
    return issue(authority, key=rsa.generate_private_key(65_537, 1_024))


def with_an_old_signature(authority: trustme.CA) -> bytes:
    """SHA-1, which the library above does not make any more."""
    with tempfile.TemporaryDirectory() as folder:
        authority.cert_pem.write_to_path(f"{folder}/ca")
        authority.private_key_pem.write_to_path(f"{folder}/key")
        make = (
            "openssl req -x509 -new -sha1 -CA ca -CAkey key -newkey rsa:2048 -nodes -days 1"
            " -keyout leaf -subj /CN=somebody -addext subjectAltName=DNS:localhost"
        )
        done = subprocess.run(make.split(), cwd=folder, check=True, capture_output=True)
        return Path(folder, "leaf").read_bytes() + done.stdout


def split_pem(pem: bytes) -> tuple[bytes, bytes]:
    """Key and certificate."""
    at = pem.index(b"-----BEGIN CERTIFICATE")
    return pem[:at], pem[at:]


@pytest.mark.parametrize(
    ("certificate", "host"),
    [
        (for_other_host, "localhost"),
        (for_common_name_only, "localhost"),
        (for_any_single_label, "localhost"),
        (for_two_wildcards, "a.b.localhost"),
        (for_another_depth, "a.b.localhost"),
        (for_a_name_cut_by_zero, "localhost"),
        (for_an_address_as_a_name, "127.0.0.1"),
        (for_another_address, "127.0.0.1"),
        (expired, "localhost"),
        (not_yet_valid, "localhost"),
        (self_signed, "localhost"),
        (of_unknown_authority, "localhost"),
        (without_intermediate, "localhost"),
        (of_a_leaf_that_signs, "localhost"),
        (with_a_short_key, "localhost"),
        (with_an_old_signature, "localhost"),
        (for_a_common_name_cut_by_zero, "localhost"),
        (for_the_parent, "a.localhost"),
        (for_part_of_a_label, "localhost"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_certificate_that_proves_nothing_is_refused(
    certificate: Callable[[trustme.CA], bytes],
    host: str,
    trusting: Make,
    authority: trustme.CA,
    serve: Serve,
    deliver: Deliver,
) -> None:
    endpoint = serve(agree, tls=context_of(certificate(authority), ANY_STRENGTH))
    delivery = deliver(trusting(), endpoint.url(host=host))
    assert (delivery.outcome, delivery.http_status) == (CERTIFICATE, None)
    assert delivery.state is DeliveryState.DEAD
    assert (endpoint.requests, endpoint.received) == ([], 0)


def test_a_refused_certificate_is_asked_for_again_by_the_last_step(
    make: Make, serve: Serve, deliver: Deliver, authority: trustme.CA
) -> None:
    endpoint = serve(agree, tls=context_of(of_unknown_authority(authority)))
    hooks = make(config={"retry_steps_ms": (10, 70_000)})
    delivery = deliver(hooks, endpoint.url(), max_retries=5)
    assert delivery.next_at is not None
    assert (delivery.next_at - delivery.updated_at).total_seconds() == 70


# --- Handshakes. ---


def speaking(authority: trustme.CA, newest: ssl.TLSVersion, ciphers: str) -> ssl.SSLContext:
    context = context_of(pem_of(authority.issue_cert("localhost")), ciphers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = newest
    return context


@pytest.mark.parametrize(
    ("newest", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1, ANY_STRENGTH),
        (ssl.TLSVersion.TLSv1_1, ANY_STRENGTH),
        (ssl.TLSVersion.TLSv1_2, "NULL:@SECLEVEL=0"),
        (ssl.TLSVersion.TLSv1_2, "aNULL:@SECLEVEL=0"),
    ],
)
def test_old_versions_and_empty_ciphers_are_not_spoken(
    newest: ssl.TLSVersion,
    ciphers: str,
    trusting: Make,
    authority: trustme.CA,
    serve: Serve,
    deliver: Deliver,
) -> None:
    endpoint = serve(agree, tls=speaking(authority, newest, ciphers))
    assert deliver(trusting(), endpoint.url()).outcome is HANDSHAKE
    assert (endpoint.connections, endpoint.handshakes, endpoint.received) == (1, 0, 0)


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_of_today_are_spoken(
    newest: ssl.TLSVersion,
    trusting: Make,
    authority: trustme.CA,
    serve: Serve,
    deliver: Deliver,
) -> None:
    endpoint = serve(agree, tls=speaking(authority, newest, "DEFAULT"))
    assert deliver(trusting(), endpoint.url()).outcome is Outcome.SUCCESS


def speaks_http(peer: Peer) -> None:
    peer.read_some()
    peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    peer.wait(0.2)


def speaks_first(peer: Peer) -> None:
    peer.send(b"220 mail.example ESMTP\r\n")
    peer.read_some()
    peer.wait(0.2)


def resets_at_once(peer: Peer) -> None:
    peer.read_some()
    peer.reset()


def hangs_up(peer: Peer) -> None:
    peer.read_some()


def says_no(peer: Peer) -> None:
    """The alert handshake_failure."""
    peer.read_some()
    peer.send(b"\x15\x03\x03\x00\x02\x02\x28")
    peer.wait(0.2)


def floods_records(peer: Peer) -> None:
    """A handshake message of 16 MB that never ends."""
    peer.read_some()
    peer.send(b"\x16\x03\x03\x40\x00\x0b\xff\xff\xff" + bytes(0x4000 - 4))
    peer.flood(b"\x16\x03\x03\x40\x00" + bytes(0x4000), 2_000)


@pytest.mark.parametrize(
    "behave", [speaks_http, speaks_first, resets_at_once, hangs_up, says_no, floods_records]
)
def test_what_is_no_handshake_is_said_so(
    behave: Callable[[Peer], None], make: Make, serve: Serve, deliver: Deliver
) -> None:
    endpoint = serve(behave, plain=True)
    delivery = deliver(make(), endpoint.url())
    assert (delivery.outcome, delivery.http_status) == (HANDSHAKE, None)
    assert endpoint.sent < 4 << 20


def is_silent(peer: Peer) -> None:
    peer.wait()


def drips_a_record(peer: Peer) -> None:
    peer.drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc\x03\x03" + bytes(1_000), 0.05)


@pytest.mark.parametrize("behave", [is_silent, drips_a_record])
def test_a_handshake_that_does_not_end_has_the_time_to_connect(
    behave: Callable[[Peer], None], make: Make, serve: Serve, deliver: Deliver
) -> None:
    endpoint = serve(behave, plain=True)
    settings = {"connect_timeout_ms": 2_000, "total_timeout_ms": 30_000}
    delivery = deliver(make(config=settings), endpoint.url())
    assert delivery.outcome is Outcome.CONNECT_TIMEOUT
    assert 1_900 < (delivery.duration_ms or 0) < 12_000


def test_a_server_that_negotiates_over_and_over_gets_one_request_and_no_more_time(
    trusting: Make, authority: trustme.CA, deliver: Deliver, tmp_path: Path
) -> None:
    """TLS 1.2: a new handshake within the connection, each as dear as the first."""
    file = tmp_path / "server.pem"
    file.write_bytes(pem_of(authority.issue_cert("localhost")))
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    command = (
        f"openssl s_server -accept {port} -cert {file} -key {file} -tls1_2 -legacy_renegotiation"
    )
    server = subprocess.Popen(
        command.split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert server.stdin is not None
    assert server.stdout is not None
    said: list[bytes] = []
    started, asked = threading.Event(), threading.Event()

    def listen_to_it() -> None:
        assert server.stdout is not None
        for line in server.stdout:
            said.append(line)
            if line.startswith(b"ACCEPT"):
                started.set()
            if b"webhook-id" in line:
                asked.set()

    def negotiate() -> None:
        assert server.stdin is not None
        asked.wait(10)
        with contextlib.suppress(OSError):
            while server.poll() is None:
                server.stdin.write(b"r\n")
                server.stdin.flush()

    threads = [threading.Thread(target=f) for f in (listen_to_it, negotiate)]
    for thread in threads:
        thread.start()
    try:
        assert started.wait(10)
        hooks = trusting(config={"connect_timeout_ms": 4_900, "total_timeout_ms": 5_000})
        delivery = deliver(hooks, f"https://localhost:{port}/")
    finally:
        server.kill()
        server.wait()
        for thread in threads:
            thread.join(10)
        with contextlib.suppress(BrokenPipeError):
            server.stdin.close()
        server.stdout.close()
    assert any(b"SSL_do_handshake" in line for line in said), "it did not negotiate anew"
    assert delivery.outcome in (Outcome.TIMEOUT, Outcome.UNKNOWN)
    assert (delivery.duration_ms or 0) < 12_000
    assert sum(line.startswith(b"POST /") for line in said) == 1


def test_a_chain_of_megabytes_is_refused(
    trusting: Make, authority: trustme.CA, serve: Serve, deliver: Deliver
) -> None:
    chain = pem_of(authority.issue_cert("localhost")) + authority.cert_pem.bytes() * 1_000
    endpoint = serve(agree, tls=context_of(chain))
    assert deliver(trusting(), endpoint.url()).outcome in (HANDSHAKE, CERTIFICATE)
    assert endpoint.requests == []


@pytest.mark.parametrize(
    ("newest", "outcome"),
    [
        (ssl.TLSVersion.TLSv1_2, HANDSHAKE),
        # In 1.3 the refusal comes after the request has left.
        (ssl.TLSVersion.TLSv1_3, Outcome.UNKNOWN),
    ],
)
def test_a_client_certificate_that_is_required_fails_cleanly(
    newest: ssl.TLSVersion,
    outcome: Outcome,
    trusting: Make,
    authority: trustme.CA,
    serve: Serve,
    deliver: Deliver,
) -> None:
    context = speaking(authority, newest, "DEFAULT")
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    endpoint = serve(agree, tls=context)
    assert deliver(trusting(), endpoint.url()).outcome is outcome
    assert endpoint.requests == []


def test_a_client_certificate_that_is_only_asked_for_is_not_sent(
    trusting: Make, authority: trustme.CA, serve: Serve, deliver: Deliver
) -> None:
    certificates_seen: list[Any] = []

    def behave(peer: Peer) -> None:
        certificates_seen.append(peer.socket.getpeercert(binary_form=True))
        agree(peer)

    context = context_of(pem_of(authority.issue_cert("localhost")))
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    endpoint = serve(behave, tls=context)
    assert deliver(trusting(), endpoint.url()).outcome is Outcome.SUCCESS
    assert certificates_seen == [None]


# --- What we say of ourselves. ---


@pytest.mark.parametrize(
    ("host", "named"),
    [("localhost", "localhost"), ("A.Localhost", "a.localhost"), ("127.0.0.1", None)],
)
def test_the_server_is_told_the_host_of_the_url(
    host: str,
    named: str | None,
    trusting: Make,
    authority: trustme.CA,
    serve: Serve,
    deliver: Deliver,
) -> None:
    told: list[str | None] = []
    context = context_of(pem_of(authority.issue_cert("localhost", "a.localhost", "127.0.0.1")))
    context.sni_callback = lambda connection, name, context: told.append(name)
    endpoint = serve(agree, tls=context)
    assert deliver(trusting(), endpoint.url(host=host)).outcome is Outcome.SUCCESS
    assert [name and name.lower() for name in told] == [named]


def test_only_http_1_1_is_offered(make: Make, serve: Serve, deliver: Deliver) -> None:
    hellos: list[bytes] = []

    def behave(peer: Peer) -> None:
        hellos.append(peer.read_some())

    deliver(make(), serve(behave, plain=True).url())
    # The extension's number and length, the list's length, one name.
    assert b"\x00\x10\x00\x0b\x00\x09\x08http/1.1" in hellos[0]


def test_a_server_that_prefers_http_2_is_spoken_to_in_http_1_1(
    trusting: Make, authority: trustme.CA, serve: Serve, deliver: Deliver
) -> None:
    agreed: list[str | None] = []

    def behave(peer: Peer) -> None:
        agreed.append(peer.socket.selected_alpn_protocol())
        agree(peer)

    context = context_of(pem_of(authority.issue_cert("localhost")))
    context.set_alpn_protocols(["h2", "http/1.1"])
    endpoint = serve(behave, tls=context)
    assert deliver(trusting(), endpoint.url()).outcome is Outcome.SUCCESS
    assert agreed == ["http/1.1"]
    assert endpoint.requests[0].line.endswith(" HTTP/1.1")


def test_a_session_is_not_taken_up_again(
    trusting: Make, authority: trustme.CA, serve: Serve, deliver: Deliver
) -> None:
    """A ticket would tell one host which connections were the same sender's."""
    resumed: list[bool] = []

    def behave(peer: Peer) -> None:
        resumed.append(peer.socket.session_reused)
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    endpoint = serve(behave, tls=context_of(pem_of(authority.issue_cert("localhost"))))
    hooks = trusting()
    hooks.subscribe(RECORDS, "update", endpoint.url(), expires=timedelta(days=1))
    for n in range(3):
        hooks.publish(PATH, "update", {"n": n})
        assert hooks.flush(timeout=10).delivered == 1
    assert resumed == [False, False, False]


# --- What the environment may say, and what not. ---


@pytest.fixture
def endpoint(serve: Serve, authority: trustme.CA) -> Evil:
    return serve(agree, tls=context_of(pem_of(authority.issue_cert("localhost"))))


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """A file with the authority."""
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def try_apart(endpoints: Iterable[Evil], environ: dict[str, str], **settings: Any) -> list[str]:
    """Outcomes, in a process with this environment."""
    with Apart(environ=environ, allow=("127.0.0.0/8", "::1/128"), **settings) as apart:
        return [str(apart.deliver(each.url())["outcome"]) for each in endpoints]


def test_variables_of_other_programs_add_no_authority(endpoint: Evil, bundle: str) -> None:
    names = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "GIT_SSL_CAINFO", "AWS_CA_BUNDLE")
    assert try_apart([endpoint], dict.fromkeys(names, bundle)) == ["TLS_CERTIFICATE"]
    assert endpoint.requests == []


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "WEBHOOKSUB_CA_BUNDLE"])
def test_variables_of_the_documented_order_name_the_authorities(
    name: str, endpoint: Evil, bundle: str
) -> None:
    assert try_apart([endpoint], {name: bundle}) == ["SUCCESS"]


def test_session_keys_are_not_written_for_the_environment(
    endpoint: Evil, authority: trustme.CA, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    environ = {"SSLKEYLOGFILE": str(keys)}
    assert try_apart([endpoint], environ, ca_pem=authority.cert_pem.bytes()) == ["SUCCESS"]
    assert not keys.exists() or keys.read_bytes() == b""


def test_a_weak_configuration_of_openssl_weakens_nothing(
    serve: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    """OPENSSL_CONF may be meant for another program on the machine."""
    weak = tmp_path / "openssl.cnf"
    weak.write_text(
        "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = system\n"
        "[system]\nMinProtocol = TLSv1\nCipherString = ALL:@SECLEVEL=0\n"
    )
    contexts = (
        speaking(authority, ssl.TLSVersion.TLSv1_1, ANY_STRENGTH),
        context_of(with_a_short_key(authority), ANY_STRENGTH),
        context_of(with_an_old_signature(authority), ANY_STRENGTH),
    )
    endpoints = [serve(agree, tls=context) for context in contexts]
    environ, ca_pem = {"OPENSSL_CONF": str(weak)}, authority.cert_pem.bytes()
    outcomes = try_apart(endpoints, environ, ca_pem=ca_pem)
    assert outcomes == ["TLS_HANDSHAKE", "TLS_CERTIFICATE", "TLS_CERTIFICATE"]


# --- Where authorities are found. ---


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have named authorities of their own."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "WEBHOOKSUB_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that do not exist yet, where the machine's own bundles would be."""
    files = [tmp_path / "distribution.pem", tmp_path / "default.pem"]
    # `cafile` and `capath` are what is there of these, and nothing is.
    defaults = ssl.get_default_verify_paths()._replace(
        cafile=None,
        capath=None,
        openssl_cafile=str(files[1]),
        openssl_capath=str(tmp_path / "none"),
    )
    monkeypatch.setattr(certificates, "DISTRIBUTION_BUNDLES", (str(files[0]),))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: defaults)
    monkeypatch.setattr(certificates, "import_module", missing)
    return files


def missing(name: str) -> Any:
    raise ImportError(name)


def test_authorities_are_found_in_the_documented_order(places: list[Path], tmp_path: Path) -> None:
    named = [tmp_path / name for name in ("argument.pem", "file.pem")]
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in (*named, *places):
        path.write_text("")
    environ = {"SSL_CERT_FILE": str(named[1]), "SSL_CERT_DIR": str(folder)}
    found = [find_authorities(str(named[0]), environ), find_authorities(None, environ)]
    found.append(find_authorities(None, {"SSL_CERT_DIR": str(folder)}))
    found.append(find_authorities(None, {}))
    places[0].unlink()
    found.append(find_authorities(None, {}))
    assert [(f.source, f.ca_file or f.ca_dir) for f in found] == [
        ("ca_bundle", str(named[0])),
        ("SSL_CERT_FILE", str(named[1])),
        ("SSL_CERT_DIR", str(folder)),
        ("distribution", str(places[0])),
        ("OpenSSL default", str(places[1])),
    ]


def test_no_authorities_is_an_error_that_names_the_places(places: list[Path]) -> None:
    with pytest.raises(ConfigurationError) as raised:
        find_authorities(None, {})
    for place in (*map(str, places), "certifi", "WEBHOOKSUB_CA_BUNDLE"):
        assert place in str(raised.value)


def test_a_dispatcher_without_authorities_does_not_start(places: list[Path], make: Make) -> None:
    with pytest.raises(ConfigurationError, match=str(places[0])):
        make(dev=False)


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "WEBHOOKSUB_CA_BUNDLE"])
def test_a_named_bundle_that_holds_nothing_is_an_error_at_the_start(
    name: str,
    content: bytes | None,
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_bytes(content)
    monkeypatch.setenv(name, str(bundle))
    with pytest.raises(ConfigurationError, match=str(bundle)):
        make(dev=False)


def test_a_named_folder_without_certificates_is_an_error_at_the_start(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match=str(tmp_path)):
        make(dev=False)


def test_a_new_connection_reads_no_bundle(endpoint: Evil, bundle: str, make: Make) -> None:
    """It was read once at the start: parsing it anew costs more than the handshake."""
    hooks = make(config={"ca_bundle": bundle})
    Path(bundle).unlink()
    hooks.subscribe(RECORDS, "update", endpoint.url(), expires=timedelta(days=1), max_retries=0)
    for n in range(2):
        hooks.publish(PATH, "update", {"n": n})
        assert hooks.flush(timeout=10).delivered == 1
    # The last permitted attempt takes a connection of its own.
    assert endpoint.connections == 2


def test_one_dispatchers_authority_is_not_anothers(
    endpoint: Evil, trusting: Make, make: Make, deliver: Deliver
) -> None:
    assert deliver(trusting(), endpoint.url()).outcome is Outcome.SUCCESS
    assert deliver(make(), endpoint.url()).outcome is CERTIFICATE


def test_no_byte_of_a_request_is_sent_before_the_certificate_is_judged(
    make: Make, serve: Serve, authority: trustme.CA, deliver: Deliver
) -> None:
    endpoint = serve(listen, tls=context_of(of_unknown_authority(authority)))
    assert deliver(make(), endpoint.url()).outcome is CERTIFICATE
    assert endpoint.received == 0
