"""Numbers that the meta table keeps: counters that grow, and marks."""

from sqlalchemy import Connection, insert, select, update

from .schema import meta

#: Grows with every change of subscriptions.
SUBSCRIPTION_REV = "subscription_rev"
#: Grows whenever somebody makes deliveries due that were not.
REPLAY_REV = "replay_rev"


def read(connection: Connection, key: str) -> int:
    value = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one()
    return int(value)


def write(connection: Connection, key: str, number: int) -> None:
    connection.execute(update(meta).where(meta.c.key == key).values(value=str(number)))


def read_mark(connection: Connection, key: str) -> int:
    """0 where it was never written."""
    value = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
    return 0 if value is None else int(value)


def write_mark(connection: Connection, key: str, number: int) -> None:
    """Also one that is not there yet."""
    values = {"value": str(number)}
    if not connection.execute(update(meta).where(meta.c.key == key).values(values)).rowcount:
        connection.execute(insert(meta).values(key=key, **values))


def add_one(connection: Connection, key: str) -> None:
    write(connection, key, read(connection, key) + 1)
