"""Numbers that the meta table keeps, and that grow."""

from sqlalchemy import Connection, select, update

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


def add_one(connection: Connection, key: str) -> None:
    write(connection, key, read(connection, key) + 1)
