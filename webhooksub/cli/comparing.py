"""What another catalog would change, for the resources and for one who subscribed.

Whether somebody hears an event is asked of the catalogs themselves: an example of each entity,
below what the subscription names, is tried under both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..catalogs import Catalog
from ..errors import UnknownResource, ValidationError

#: (entity template, action) of what is heard.
Heard = frozenset[tuple[str, str]]

_ACTIONS = ("create", "update", "delete")
# Stands for an id that the subscription leaves open.
_ANY_ID = "any"


@dataclass(frozen=True, slots=True)
class Changes:
    """Resources; `changed` are (resource, lost, gained)."""

    removed: list[str]
    added: list[str]
    changed: list[tuple[str, Heard, Heard]]


def compare(before: Catalog, after: Catalog) -> Changes:
    """By the text of the templates: another name of a parameter is another resource."""
    old, new = _by_resource(before), _by_resource(after)
    changed = [(r, old[r] - new[r], new[r] - old[r]) for r in old if r in new and old[r] != new[r]]
    return Changes([r for r in old if r not in new], [r for r in new if r not in old], changed)


def lost_by(resource: str, action: str, before: Catalog, after: Catalog) -> tuple[Heard, Heard]:
    """(what a subscription would no longer hear, what it hears now)."""
    heard = frozenset(
        (entity, event)
        for entity, example in _examples(resource, before)
        for event in _ACTIONS
        if _covers(before, resource, action, example, event)
    )
    kept = frozenset(
        (entity, event)
        for entity, example in _examples(resource, before)
        for event in _ACTIONS
        if (entity, event) in heard and _covers(after, resource, action, example, event)
    )
    return heard - kept, heard


def _by_resource(catalog: Catalog) -> dict[str, Heard]:
    return {
        resource: frozenset((entity, action) for entity, actions in rules for action in actions)
        for resource, rules in catalog.rows
    }


def _examples(resource: str, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """(entity template, a path of it), with the ids that the subscription names."""
    named = resource.split("/")
    for entity in dict.fromkeys(entity for _, rules in catalog.rows for entity, _ in rules):
        segments = entity.split("/")
        for n, segment in enumerate(segments):
            if segment.startswith("{"):
                given = named[n] if n < len(named) else _ANY_ID
                segments[n] = _ANY_ID if given.startswith("{") else given
        yield entity, "/".join(segments)


def _covers(catalog: Catalog, resource: str, action: str, path: str, event: str) -> bool:
    try:
        return catalog.covers(resource, action, [path], event)
    except (UnknownResource, ValidationError):
        return False
