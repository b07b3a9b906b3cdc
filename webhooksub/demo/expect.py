"""Which notifications must arrive: a scan of every subscription for every event.

Slow and plain on purpose. It reads the catalog's rows and nothing else of the product, so
that the matcher is not its own witness.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

Rows = tuple[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], ...]


class Ear:
    """One subscription: what it listens to, taken apart."""

    def __init__(self, rows: Rows, line: dict[str, Any]) -> None:
        self.id: str = line["id"]
        self._wanted: str = line["modification_type"]
        resource = line["resource"].split("/")
        self._rules: list[tuple[list[str], dict[str, str], tuple[str, ...]]] = []
        for template, rules in rows:
            bound = _bind(template.split("/"), resource)
            if bound is not None:
                named = {k: v for k, v in bound.items() if v != f"{{{k}}}"}
                self._rules += [(e.split("/"), named, actions) for e, actions in rules]

    def hears(self, paths: list[list[str]], action: str) -> bool:
        """Some rule of its row covers one of the paths."""
        if self._wanted not in ("any", action):
            return False
        return any(
            action in actions and _covers(entity, named, path)
            for entity, named, actions in self._rules
            for path in paths
        )


def expected(
    rows: Rows, subscriptions: Iterable[dict[str, Any]], events: Iterable[dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    """(event id, subscription id) of every notification that is owed."""
    ears = [Ear(rows, line) for line in subscriptions]
    for event in events:
        paths = [path.split("/") for path in event["paths"]]
        for ear in ears:
            if ear.hears(paths, event["action"]):
                yield event["id"], ear.id


def notification_id(event: str, subscription: str) -> str:
    """The id that the pair has on the wire, as the documentation defines it."""
    pair = uuid.UUID(event).bytes + uuid.UUID(subscription).bytes
    return "msg_" + hashlib.sha256(pair).digest()[:16].hex()


def _bind(template: list[str], path: list[str]) -> dict[str, str] | None:
    """What the path has in place of the template's parameters; None when it is another's."""
    if len(template) != len(path):
        return None
    bound: dict[str, str] = {}
    for part, given in zip(template, path, strict=True):
        if part.startswith("{"):
            bound[part[1:-1]] = given
        elif part != given:
            return None
    return bound


def _covers(entity: list[str], named: dict[str, str], path: list[str]) -> bool:
    bound = _bind(entity, path)
    return bound is not None and all(bound.get(k, v) == v for k, v in named.items())
