"""Numbers that the meta table keeps: counters that grow, and marks."""

from sqlalchemy import BigInteger, Connection, Text, cast, insert, select, update

from .schema import meta

#: Grows with every change of subscriptions.
SUBSCRIPTION_REV = "subscription_rev"
#: Grows whenever somebody makes deliveries due that were not.
REPLAY_REV = "replay_rev"


def read(connection: Connection, key: str) -> int:
    value = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one()
    return int(value)


def read_mark(connection: Connection, key: str) -> int:
    """0 where it was never written."""
    value = connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
    return 0 if value is None else int(value)


def write_mark(connection: Connection, key: str, number: int) -> None:
    """Also one that is not there yet."""
    values = {"value": str(number)}
    if not connection.execute(update(meta).where(meta.c.key == key).values(values)).rowcount:
        connection.execute(insert(meta).values(key=key, **values))


def add_one(connection: Connection, key: str) -> int:
    """Answers the number that it is now. Who else adds waits for this transaction's end, so
    that numbers are seen in their order."""
    more = cast(cast(meta.c.value, BigInteger) + 1, Text)
    grow = update(meta).where(meta.c.key == key).values(value=more).returning(meta.c.value)
    return int(connection.execute(grow).scalar_one())


def hold(connection: Connection, key: str) -> None:
    """Nobody else adds to it until this transaction ends."""
    connection.execute(select(meta.c.value).where(meta.c.key == key).with_for_update())
