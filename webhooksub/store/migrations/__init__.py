"""The schema's versions: one numbered sequence for every database and framework.

An empty store gets today's schema at once. An older one is brought forward step by step,
each in one transaction, by ``webhooksub migrate``; using it before that is refused. A newer
one may be used by code that its `min_reader` still allows.
"""

from types import ModuleType

from sqlalchemy import Connection, inspect, select, update

from ...errors import ConfigurationError
from ..schema import meta
from . import m0001_initial

#: In order; the number of a step is the version that it leads to.
STEPS: list[ModuleType] = [m0001_initial]


def latest() -> int:
    """The version that this code writes."""
    return len(STEPS)


def version(connection: Connection) -> int | None:
    """The store's version; None when it has no schema yet."""
    if not inspect(connection).has_table(meta.name):
        return None
    return _number(connection, "schema_version")


def check(connection: Connection) -> None:
    """Raises ConfigurationError unless this code may use the store."""
    found = version(connection) or 0
    if found < latest():
        raise ConfigurationError(
            f"the store's schema has version {found}, this webhooksub needs {latest()}: "
            "run `webhooksub migrate`"
        )
    if found > latest() and _number(connection, "min_reader") > latest():
        raise ConfigurationError(
            f"the store's schema has version {found}, newer than this webhooksub can use "
            f"({latest()}): install the newer webhooksub here too"
        )


def run(connection: Connection, number: int) -> None:
    """Step `number`, in the caller's transaction; nothing when the store is as far."""
    if (version(connection) or 0) >= number:
        return
    step = STEPS[number - 1]
    step.upgrade(connection)
    for key, value in (("schema_version", number), ("min_reader", step.MIN_READER)):
        connection.execute(update(meta).where(meta.c.key == key).values(value=str(value)))


def _number(connection: Connection, key: str) -> int:
    value = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
    if value is None:
        raise ConfigurationError(f"the store's meta table has no {key}: it is damaged")
    return int(value)
