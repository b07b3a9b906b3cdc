"""The service whose API is held to its document: its store, its people, its traffic.

A request says who asks by a JWT. A *member* belongs to every tenant, so that whatever document
is made up can be sent; an *outsider* belongs to none, and whatever else is sent as a token is
nobody's.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import jwt

from webhooksub import ALL, Dispatcher, Unauthenticated
from webhooksub.authorizer import All, Root
from webhooksub.claims import Caller, CallerReader
from webhooksub.contrib.jwt import BearerReader
from webhooksub.testing import Receiver

MEMBER, OUTSIDER = "member", "outsider"
ISSUER, AUDIENCE = "https://login.example.com/", "webhooks"
SECRET = "of the tests of the contract alone"
_DAY = 86_400
RECORDS = "tenant/acme/sidedrawer/s1/record"
_EVENTS = 3
CONFIG = {
    # Endpoints that are made up are not there: nobody waits for them.
    "connect_timeout_ms": 200,
    "total_timeout_ms": 500,
    "grace_ms": 0,
    # Attempts that failed are there to be looked at, and others wait.
    "retry_steps_ms": (50, 3_600_000),
    "synchronous": "NORMAL",
}


# --- Who asks ------------------------------------------------------------------------


class Members:
    """See above."""

    def allows(self, actor: Caller, root: Root, operation: str) -> bool:
        return actor.id == MEMBER

    def roots(self, actor: Caller) -> list[Root] | All:
        return ALL if actor.id == MEMBER else []

    def owner_id(self, actor: Caller) -> str:
        return actor.id

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        return owner_id == MEMBER


#: For ``webhooksub serve --authorizer world:members``.
members = Members()
_READER = BearerReader(
    issuer=ISSUER,
    audience=AUDIENCE,
    key=SECRET,
    algorithms=["HS256"],
    claims=CallerReader(owner_claim="sub", root_claims=()),
)


def actor_of(authorization: str | None) -> Caller | None:
    """What a host's callable answers for an Authorization header; None: nobody it knows."""
    try:
        actor: Caller = _READER.read(authorization)
    except Unauthenticated:
        return None
    return actor


def authorization_of(who: str) -> str:
    """The header's value by which somebody asks."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": who, "exp": int(time.time()) + _DAY}
    return f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"


# --- What there is -------------------------------------------------------------------


@contextmanager
def dispatcher(folder: Path) -> Iterator[Dispatcher]:
    """Started, with a subscription whose deliveries fail."""
    url = f"sqlite:///{folder / 'hooks.db'}"
    hooks = Dispatcher(url, authorizer=members, dev=True, config=CONFIG)
    with Receiver() as receiver, hooks:
        receiver.answer(503)
        hooks.subscribe(
            RECORDS,
            "any",
            receiver.url(),
            expires=timedelta(days=1),
            actor=Caller(MEMBER, frozenset()),
        )
        for n in range(_EVENTS):
            hooks.publish(f"{RECORDS}/r{n}", "update", {"n": n})
        hooks.flush(timeout=20)
        yield hooks
