"""Who asks, by bearer JWT: real keys, a real server of key sets, tokens that must not pass."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from webhooksub import ConfigurationError, Unauthenticated
from webhooksub.contrib.jwt import BearerReader

ISSUER, AUDIENCE = "https://login.example.com/", "webhooks"
SECRET = "s" * 64
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
CURVE = ec.generate_private_key(ec.SECP256R1())
PEM = RSA.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    given = {
        "sub": "auth0|1",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + 600,
        "tenants": ["acme"],
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def token(key: Any = RSA, algorithm: str = "RS256", *, kid: Any = "k1", **changes: Any) -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def reader(**settings: Any) -> BearerReader:
    return BearerReader(**({"issuer": ISSUER, "audience": AUDIENCE} | settings))


def refuses(made: BearerReader, authorization: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        made.read(authorization)
    assert caught.value.__cause__ is None
    assert not authorization or authorization.split()[-1] not in str(caught.value)


# --- a fixed key ---------------------------------------------------------------------------


def test_a_token_names_its_subject() -> None:
    made = reader(key=PEM)
    assert made.read(f"Bearer {token()}") == "auth0|1"
    assert made.read(f"bearer   {token()} ") == "auth0|1"
    request = SimpleNamespace(headers={"Authorization": f"Bearer {token()}"})
    assert made(request) == "auth0|1"


def test_the_host_makes_its_actor_of_the_claims() -> None:
    made = reader(key=PEM, claims=lambda c: (c["sub"], tuple(c["tenants"])) if c["sub"] else None)
    assert made.read(f"Bearer {token()}") == ("auth0|1", ("acme",))
    refuses(made, f"Bearer {token(sub='')}")


def test_a_secret_of_both_sides_verifies_too() -> None:
    made = reader(key=SECRET, algorithms=["HS256"])
    assert made.read(f"Bearer {token(SECRET, 'HS256')}") == "auth0|1"
    refuses(made, f"Bearer {token('x' * 64, 'HS256')}")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "abc"])
def test_who_brings_no_token_is_nobody(authorization: str | None) -> None:
    refuses(reader(key=PEM), authorization)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1_000_000_000},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"aud": "others"},
        {"aud": None},
        {"aud": []},
        {"iss": "https://evil.example/"},
        {"iss": None},
        {"sub": None},
        {"sub": ""},
    ],
    ids=str,
)
def test_a_token_of_another_time_or_place_is_refused(changes: dict[str, Any]) -> None:
    refuses(reader(key=PEM), f"Bearer {token(**changes)}")


def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    now = int(time.time())
    assert reader(key=PEM, leeway=600).read(f"Bearer {token(exp=now - 300)}") == "auth0|1"
    refuses(reader(key=PEM, leeway=0), f"Bearer {token(exp=now - 300)}")


def part(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def test_a_token_that_is_not_signed_is_refused() -> None:
    for alg in ("none", "None", "NONE", "", None, 5, ["RS256"]):
        refuses(reader(key=PEM), f"Bearer {part({'alg': alg, 'typ': 'JWT'})}.{part(claims())}.")


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    """RS256 read as HS256: the key that everybody has would sign."""
    head = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'k1'})}.{part(claims())}"
    signature = part(hmac.new(PEM, head.encode(), hashlib.sha256).digest())
    refuses(reader(key=PEM), f"Bearer {head}.{signature}")


def test_a_changed_token_is_refused() -> None:
    whole = token()
    head, body, signature = whole.split(".")
    for changed in (
        f"{head}.{part(claims(sub='eve'))}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature[:-4]}AAAA",
        f"{whole}.{whole}",
        "ä" + whole,
        "x" * 20_000,
        "..",
        "\x00",
    ):
        refuses(reader(key=PEM), f"Bearer {changed}")
    refuses(reader(key=PEM), f"Bearer {token(OTHER)}")
    refuses(reader(key=PEM), f"Bearer {token(CURVE, 'ES256')}")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "key, jwks_url"),
        ({"key": PEM, "jwks_url": "https://a.example/"}, "key, jwks_url"),
        ({"key": ""}, "key, jwks_url"),
        ({"key": PEM, "issuer": ""}, "issuer"),
        ({"key": PEM, "audience": []}, "audience"),
        ({"key": PEM, "audience": ["a", ""]}, "audience"),
        ({"key": PEM, "algorithms": ["none"]}, "algorithms"),
        ({"key": PEM, "algorithms": []}, "algorithms"),
        ({"key": PEM, "algorithms": ["HS256", "RS256"]}, "algorithms"),
        ({"jwks_url": "https://a.example/", "algorithms": ["HS256"]}, "algorithms"),
        ({"jwks_url": "http://a.example/"}, "jwks_url"),
        ({"jwks_url": "file:///etc/passwd"}, "jwks_url"),
        ({"jwks_url": "https://"}, "jwks_url"),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(
    settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        reader(**settings)


# --- a set of keys -------------------------------------------------------------------------


class Issuer:
    """A server of key sets on loopback."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"k1": RSA, "k2": CURVE}
        self.status, self.asked = 200, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = json.dumps({"keys": outer.documents()}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"

    def documents(self) -> list[dict[str, Any]]:
        found = []
        for kid, key in self.keys.items():
            of = jwt.algorithms.RSAAlgorithm if key is not CURVE else jwt.algorithms.ECAlgorithm
            document: dict[str, Any] = json.loads(of.to_jwk(key.public_key()))
            alg = "ES256" if key is CURVE else "RS256"
            found.append(document | {"kid": kid, "use": "sig", "alg": alg})
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


def test_the_issuer_s_keys_verify_each_its_own_tokens(issuer: Issuer) -> None:
    made = reader(jwks_url=issuer.url)
    for _ in range(3):
        assert made.read(f"Bearer {token()}") == "auth0|1"
        assert made.read(f"Bearer {token(CURVE, 'ES256', kid='k2')}") == "auth0|1"
    assert issuer.asked == 1
    refuses(made, f"Bearer {token(OTHER)}")
    refuses(made, f"Bearer {token(CURVE, 'ES256', kid='k1')}")


def test_tokens_of_nobody_s_key_do_not_make_us_ask_again_and_again(issuer: Issuer) -> None:
    made = reader(jwks_url=issuer.url)
    for n in range(5):
        refuses(made, f"Bearer {token(OTHER, kid=f'x{n}')}")
    for kid in (None, ""):
        refuses(made, f"Bearer {token(kid=kid)}")
    assert issuer.asked == 1


def test_a_token_that_could_never_verify_asks_nobody(issuer: Issuer) -> None:
    made = reader(jwks_url=issuer.url)
    refuses(made, f"Bearer {token(SECRET, 'HS256')}")
    refuses(made, f"Bearer {part({'alg': 'none', 'kid': 'k1'})}.{part(claims())}.")
    refuses(made, "Bearer x.y.z")
    assert issuer.asked == 0


def test_an_issuer_that_does_not_answer_is_no_fault_of_the_token(issuer: Issuer) -> None:
    issuer.status = 500
    made = reader(jwks_url=issuer.url)
    with pytest.raises(jwt.PyJWKClientConnectionError):
        made.read(f"Bearer {token()}")
    issuer.status = 200
    assert made.read(f"Bearer {token()}") == "auth0|1"
