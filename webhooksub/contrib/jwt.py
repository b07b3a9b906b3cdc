"""Who asks, read from a bearer JWT: ``pip install 'webhooksub[jwt]'``.

::

    actor = BearerReader(
        issuer="https://login.example.com/",
        audience="webhooks",
        jwks_url="https://login.example.com/.well-known/jwks.json",
    )

The reader is the callable that the API's adapters ask for: it takes a request (whatever has
`headers`) and answers what your authorizer knows as the actor, by default the claim ``sub``.
"""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt

from ..errors import ConfigurationError, Unauthenticated

__all__ = ["BearerReader"]

#: Signed by a private key that only the issuer has.
ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512") + (
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
#: Signed by a secret that both sides have.
SYMMETRIC = ("HS256", "HS384", "HS512")
#: Characters of a token: many times what issuers make, and nothing to spend time on.
TOKEN_MAX = 16_384
# An issuer that does not answer holds up requests no longer than this, in seconds.
_JWKS_TIMEOUT = 5
_JWKS_LIFESPAN = 300
# A token that names an unknown key makes us ask the issuer; at most so often, in seconds.
_JWKS_COOLDOWN = 30


class Asking(Protocol):
    """A request of Starlette, Django, Flask or another framework."""

    @property
    def headers(self) -> Any: ...


class BearerReader:
    """Verifies a token's signature, issuer, audience and time, and says who it is of.

    One of `key` (PEM, or a secret with `algorithms` of HS256 and its like) and `jwks_url`
    (https, or http on loopback) verifies. `claims` answers the actor from the verified claims;
    None means nobody. `leeway` is how many seconds clocks may differ. Any thread; it may wait
    for the issuer, so call it off the event loop.

    Raises ConfigurationError naming what is wrong with the settings.
    """

    def __init__(
        self,
        *,
        issuer: str | Sequence[str],
        audience: str | Sequence[str],
        key: str | bytes | None = None,
        jwks_url: str | None = None,
        algorithms: Sequence[str] = ("RS256", "ES256"),
        claims: Callable[[Mapping[str, Any]], Any] | None = None,
        leeway: float = 30,
    ) -> None:
        _check(issuer, audience, key, jwks_url, algorithms)
        self._issuer, self._audience = _one_or_list(issuer), _one_or_list(audience)
        self._key, self._algorithms, self._leeway = key, list(algorithms), leeway
        self._claims = claims or _subject
        self._client = None
        if jwks_url is not None:
            self._client = jwt.PyJWKClient(
                jwks_url,
                timeout=_JWKS_TIMEOUT,
                lifespan=_JWKS_LIFESPAN,
                cooldown_duration=_JWKS_COOLDOWN,
            )

    def __call__(self, request: Asking) -> Any:
        """The actor of a request. Raises as :meth:`read`."""
        return self.read(request.headers.get("Authorization"))

    def read(self, authorization: str | None) -> Any:
        """The actor that an Authorization header names.

        Raises Unauthenticated, which never says why nor holds the token; what PyJWT raises
        (``jwt.PyJWKClientConnectionError``) where the issuer does not answer.
        """
        token = _bearer(authorization)
        try:
            claims = self._verified(token)
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWTError:
            raise Unauthenticated("the token does not verify") from None
        actor = self._claims(claims)
        if actor is None:
            raise Unauthenticated("the token says nobody")
        return actor

    def _verified(self, token: str) -> dict[str, Any]:
        """The algorithm is judged before a key is looked for: tokens that could never verify
        make nobody ask the issuer."""
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in self._algorithms:
            raise jwt.InvalidAlgorithmError("not an allowed algorithm")
        found: dict[str, Any] = jwt.decode(
            token,
            self._key_of(header),
            algorithms=self._algorithms,
            issuer=self._issuer,
            audience=self._audience,
            leeway=self._leeway,
            options={"require": ["exp", "iss", "aud"]},
        )
        return found

    def _key_of(self, header: Mapping[str, Any]) -> Any:
        if self._client is None:
            return self._key
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise jwt.InvalidTokenError("names no key")
        return self._client.get_signing_key(kid)


def _subject(claims: Mapping[str, Any]) -> Any:
    """An empty name is nobody's."""
    return claims.get("sub") or None


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_MAX or not token.isascii():
        raise Unauthenticated("no bearer token")
    return token


def _one_or_list(value: str | Sequence[str]) -> str | list[str]:
    return value if isinstance(value, str) else list(value)


def _check(
    issuer: str | Sequence[str],
    audience: str | Sequence[str],
    key: str | bytes | None,
    jwks_url: str | None,
    algorithms: Sequence[str],
) -> None:
    problems = []
    if not issuer or not audience or "" in (*_listed(issuer), *_listed(audience)):
        problems.append("issuer, audience: name both; a token for others would do otherwise")
    if (key is None) == (jwks_url is None) or key in ("", b""):
        problems.append("key, jwks_url: give one of the two")
    if jwks_url is not None and not _is_safe(jwks_url):
        problems.append("jwks_url: must be https, or http on loopback")
    known = set(algorithms)
    if not known or not known <= {*ASYMMETRIC, *SYMMETRIC}:
        problems.append(f"algorithms: must be of {', '.join((*ASYMMETRIC, *SYMMETRIC))}")
    elif known & set(SYMMETRIC) and (known & set(ASYMMETRIC) or jwks_url is not None):
        problems.append("algorithms: HS… goes with a secret key, and with no other kind")
    if problems:
        raise ConfigurationError("; ".join(problems))


def _listed(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _is_safe(url: str) -> bool:
    """Whoever changes keys on their way to us makes tokens of their own."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.scheme == "http" and parts.hostname == "localhost"
