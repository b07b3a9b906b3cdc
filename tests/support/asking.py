"""Clients of the subscription API: members of tenants, and what they ask."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from webhooksub import Dispatcher
from webhooksub.api import ApiAnswer, ApiRequest, SubscriptionApi

#: A valid document of a member of acme.
DOCUMENT: dict[str, Any] = {
    "modificationType": "any",
    "notificationUrl": "https://example.com/hook",
    "resource": "tenant/acme/sidedrawer/s1/record",
    "expirationDateTime": "2099-07-07T14:40:40-03:00",
    "integrityKey": "k" * 32,
}
#: An id that nothing has.
NOBODY = "01a211b6-569e-7388-bbc0-cbc79a07168a"


class Clock:
    """UTC milliseconds that move only when told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000  # 2027-01-15T08:00:00Z

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        self.now += ms


class Members:
    """ann and bob belong to acme, bob to globex too; eve to a tenant of her own."""

    def __init__(self) -> None:
        self.tenants = {"ann": {"acme"}, "bob": {"acme", "globex"}, "eve": {"evil"}}

    def allows(self, actor: Any, root: tuple[str, str], operation: str) -> bool:
        return root[0] == "tenant" and root[1] in self.tenants.get(actor, ())

    def roots(self, actor: Any) -> list[tuple[str, str]]:
        return [("tenant", name) for name in self.tenants.get(actor, ())]

    def owner_id(self, actor: Any) -> str:
        return str(actor)

    def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
        return self.allows(owner_id, root, "read")


class Client:
    """One actor's requests, JSON in and out."""

    def __init__(self, api: SubscriptionApi, actor: Any, base_path: str = "") -> None:
        self.api, self.actor, self.base_path = api, actor, base_path

    def ask(
        self,
        method: str,
        path: str,
        body: Any = b"",
        *,
        query: str = "",
        **headers: str,
    ) -> ApiAnswer:
        """`headers` with underscores; a body that is no bytes is sent as JSON."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
            given = {"content-type": "application/json"} | given
        return self.api.answer(
            ApiRequest(method, path, query, given, body, self.actor, self.base_path)
        )

    def create(self, **changes: Any) -> str:
        """The new subscription's id."""
        return str(content(self.ask("POST", "/webhooks", DOCUMENT | changes), 201)["id"])

    def follow(self, link: str) -> Any:
        """Another page."""
        path, _, query = link.removeprefix(self.base_path).partition("?")
        return content(self.ask("GET", path, query=query))


def content(answer: ApiAnswer, status: int = 200) -> Any:
    """The answer's document. Fails where the status is another."""
    assert answer.status == status, answer.body.decode()
    return json.loads(answer.body)


def header(answer: ApiAnswer, name: str) -> str:
    return dict(answer.headers)[name]


def mistakes(answer: ApiAnswer) -> list[tuple[str, str]]:
    """Field and code of each mistake of a 400."""
    return [(e["field"], e["code"]) for e in content(answer, 400)["errors"]]


@contextmanager
def serving(**settings: Any) -> Iterator[tuple[SubscriptionApi, Dispatcher]]:
    """The API of a dispatcher that is not started, in memory unless `url` names a store."""
    url = settings.pop("url", "memory://")
    hooks = Dispatcher(url, **({"authorizer": Members(), "config": {}} | settings))
    try:
        yield SubscriptionApi(hooks), hooks
    finally:
        hooks.close()
