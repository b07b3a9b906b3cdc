"""Who subscribes to what in the demo, and what happens there: the same in every run but for
ids and keys."""

import json
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from .. import _core

#: An item as :meth:`webhooksub.Dispatcher.publish_many` takes it.
Item = tuple[tuple[str, ...], str, bytes, str]

TENANTS = ("acme", "birch", "cedar", "delta")
_ROOT_PARAMETERS = ("tenantId", "subscriptionid")
_ACTIONS = ("create", "update", "delete")
# Few, so that subscriptions to one thing are hit as well as those to all of a kind.
_IDS_PER_PARAMETER = 2
_SEED = 2_000
_NAMES = ("Taxes", "Will", "Insurance", "Größe 7", "契約", "House", "Passport")


@dataclass(frozen=True, slots=True)
class Wish:
    """A subscription to be made; `endpoint` is the path of its URL."""

    resource: str
    modification_type: str
    endpoint: str
    key: str


def wishes(catalog: _core.Catalog) -> list[Wish]:
    """Every resource of the catalog for every tenant.

    The tenants differ: one names each thing by its id, the next leaves all open that can be
    (the literal ``{recordId}`` is any record), the others mix both with single actions.
    """
    made: list[Wish] = []
    for t, tenant in enumerate(TENANTS):
        for r, (template, _) in enumerate(catalog.rows):
            resource = _resource(template, tenant, t)
            actions = ("any", *catalog.actions(resource))
            action = actions[r % len(actions)] if t >= 2 else "any"
            # Plain hex text, so that it can be given to `openssl dgst -hmac`.
            key = secrets.token_hex(16)
            made.append(Wish(resource, action, f"/hooks/{tenant}/{r + 1}", key))
    return made


def items(catalog: _core.Catalog, many: int) -> Iterator[Item]:
    """Changes of all entities that the catalog knows, by anybody, anywhere."""
    chance = random.Random(_SEED)
    entities = sorted({entity for _, rules in catalog.rows for entity, _ in rules})
    for n in range(many):
        tenant = chance.choice(TENANTS)
        entity = chance.choice(entities)
        bound = {
            name: tenant if name in _ROOT_PARAMETERS else _id(name, _low(chance))
            for name in _parameters(entity)
        }
        who = _id("openId", _low(chance))
        data = {"number": n, "name": chance.choice(_NAMES)}
        body = json.dumps(data, ensure_ascii=False).encode()
        yield _paths(catalog, entity, bound, who), chance.choice(_ACTIONS), body, who


def _paths(catalog: _core.Catalog, entity: str, bound: dict[str, str], who: str) -> tuple[str, ...]:
    """A collaborator is found below the drawer or record, and among the person's networks."""
    path = catalog.path(entity, **bound)
    if "networkId" not in bound:
        return (path,)
    tenant = bound["tenantId"]
    return (path, catalog.path("tenant/{tenantId}/network/{openId}", tenantId=tenant, openId=who))


def _resource(template: str, tenant: str, style: int) -> str:
    """The template with what this tenant names put in; the rest stays open."""
    names = _parameters(template)
    for n, name in enumerate(names):
        if name in _ROOT_PARAMETERS:
            template = template.replace(f"{{{name}}}", tenant)
        elif style == 0 or (style >= 2 and (n + style) % 2 == 0):
            template = template.replace(f"{{{name}}}", _id(name, style % _IDS_PER_PARAMETER))
    return template


def _low(chance: random.Random) -> int:
    """Some things are busier than others."""
    return min(chance.randrange(_IDS_PER_PARAMETER), chance.randrange(_IDS_PER_PARAMETER))


def _id(parameter: str, n: int) -> str:
    """Ids of people hold a bar, as those of identity providers do."""
    if parameter == "openId":
        return f"auth0|{n + 1:04}"
    return f"{parameter.removesuffix('Id').lower()}-{n + 1}"


def _parameters(template: str) -> list[str]:
    return [part[1:-1] for part in template.split("/") if part.startswith("{")]
