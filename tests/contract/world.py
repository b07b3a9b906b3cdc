"""The service whose API is held to its document: its store, its people, its traffic.

A request says who asks by a bearer token. A *member* belongs to every tenant, so that whatever
document is made up can be sent; an *outsider* belongs to none, and whatever else is sent as a
token is nobody's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from webhooksub import ALL, Dispatcher
from webhooksub.authorizer import All, Root
from webhooksub.testing import Receiver

MEMBER, OUTSIDER = "member", "outsider"
RECORDS = "tenant/acme/sidedrawer/s1/record"
_EVENTS = 3
_CONFIG = {
    # Endpoints that are made up are not there: nobody waits for them.
    "connect_timeout_ms": 200,
    "total_timeout_ms": 500,
    "grace_ms": 0,
    # Attempts that failed are there to be looked at, and others wait.
    "retry_steps_ms": (50, 3_600_000),
    "synchronous": "NORMAL",
}


class Members:
    """See above."""

    def allows(self, actor: Any, root: Root, operation: str) -> bool:
        return actor == MEMBER

    def roots(self, actor: Any) -> list[Root] | All:
        return ALL if actor == MEMBER else []

    def owner_id(self, actor: Any) -> str:
        return str(actor)

    def still_allowed(self, owner_id: str, root: Root) -> bool:
        return owner_id == MEMBER


def actor_of(authorization: str | None) -> str | None:
    """What a host's callable answers for an Authorization header; None: nobody it knows."""
    scheme, _, token = (authorization or "").partition(" ")
    return token if scheme.lower() == "bearer" and token in (MEMBER, OUTSIDER) else None


@contextmanager
def dispatcher(folder: Path) -> Iterator[Dispatcher]:
    """Started, with a subscription whose deliveries fail."""
    url = f"sqlite:///{folder / 'hooks.db'}"
    hooks = Dispatcher(url, authorizer=Members(), dev=True, config=_CONFIG)
    with Receiver() as receiver, hooks:
        receiver.answer(503)
        hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1), actor=MEMBER)
        for n in range(_EVENTS):
            hooks.publish(f"{RECORDS}/r{n}", "update", {"n": n})
        hooks.flush(timeout=20)
        yield hooks
