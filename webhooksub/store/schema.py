"""The tables. Every table and index carries the prefix ``webhooksub_``.

Ids are 16 bytes, times UTC milliseconds, enum codes numbers that are only ever appended.
`seq` columns never give a number twice (AUTOINCREMENT or identity). Paths are one text,
separated by newlines, which no path can hold. Hot tables have no foreign keys.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.event import listen
from sqlalchemy.types import TypeEngine

from ..secret import SecretBytes

PREFIX = "webhooksub_"

metadata = MetaData()

# SQLite numbers rows by itself only where the type reads exactly INTEGER.
_Seq: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")
_Id = LargeBinary(16)
_Ms = BigInteger
_Code = SmallInteger


class _Sealed(LargeBinary):
    """A key may lie there as it is: what is read does not show itself."""

    cache_ok = True

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], bytes]:
        return SecretBytes


def _seq() -> Column[int]:
    return Column("seq", _Seq, Identity(), primary_key=True)


meta = Table(
    PREFIX + "meta",
    metadata,
    Column("key", Text, primary_key=True),  # schema_version, min_reader, store_id, …
    Column("value", Text, nullable=False),
)

subscription = Table(
    PREFIX + "subscription",
    metadata,
    _seq(),
    Column("id", _Id, nullable=False, unique=True),
    Column("root", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("action", _Code, nullable=False),
    Column("channel", _Code, nullable=False),
    Column("url", Text),
    Column("origin", BigInteger),  # seq of the URL's origin
    Column("socket_event", Text),
    Column("expires_at", _Ms, nullable=False),
    Column("expires_text", Text, nullable=False),
    Column("brand_code", Text),
    Column("max_retries", Integer),
    Column("options", Text, nullable=False),
    Column("status", _Code, nullable=False),
    Column("status_reason", Text),
    Column("failing_since", _Ms),
    Column("created_at", _Ms, nullable=False),
    Column("updated_at", _Ms, nullable=False),
    Column("created_rev", BigInteger, nullable=False),
    Column("rev", BigInteger, nullable=False),
    Column("deleted_at", _Ms),
    Index(PREFIX + "subscription_rev", "rev"),
    Index(PREFIX + "subscription_root", "root", "seq"),
    Index(PREFIX + "subscription_expires", "expires_at"),
    sqlite_autoincrement=True,
)

secret = Table(
    PREFIX + "secret",
    metadata,
    Column("subscription_seq", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),  # the newest is the largest
    Column("sealed", _Sealed, nullable=False),  # first byte: the format
    Column("not_after", _Ms),
    PrimaryKeyConstraint("subscription_seq", "n"),
)

event = Table(
    PREFIX + "event",
    metadata,
    _seq(),
    Column("id", _Id, nullable=False, unique=True),
    Column("root", Text, nullable=False),
    Column("action", _Code, nullable=False),
    Column("paths", Text, nullable=False),
    Column("open_id", Text),
    Column("published_at", _Ms, nullable=False),
    Column("subscription_rev", BigInteger, nullable=False),
    Column("order_key", Text),
    # Last: what stands behind a large value costs the reading of all its pages.
    Column("data", LargeBinary),
    Index(PREFIX + "event_root", "root", "seq"),
    sqlite_autoincrement=True,
)

idempotency = Table(
    PREFIX + "idempotency",
    metadata,
    Column("root", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("event_id", _Id, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("expires_at", _Ms, nullable=False),
    PrimaryKeyConstraint("root", "key"),
)

outbox = Table(
    PREFIX + "outbox",
    metadata,
    Column("event_seq", _Seq, primary_key=True, autoincrement=False),
    Column("dispatcher", BigInteger),
    Column("claims", Integer, nullable=False),
)
Index(
    PREFIX + "outbox_free",
    outbox.c.event_seq,
    sqlite_where=outbox.c.dispatcher.is_(None),
    postgresql_where=outbox.c.dispatcher.is_(None),
)
Index(PREFIX + "outbox_dispatcher", outbox.c.dispatcher)

# Clustered by its key on SQLite: the rows of one event lie together, and each costs one
# tree less to write.
delivery = Table(
    PREFIX + "delivery",
    metadata,
    Column("event_seq", BigInteger, nullable=False),
    Column("subscription_seq", BigInteger, nullable=False),
    Column("state", _Code, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", _Ms),
    Column("origin", BigInteger, nullable=False),
    Column("dispatcher", BigInteger),
    Column("batch", Text),
    Column("http_status", Integer),
    Column("outcome", _Code),
    Column("duration_ms", BigInteger),
    Column("updated_at", _Ms, nullable=False),
    PrimaryKeyConstraint("event_seq", "subscription_seq"),
    Index(PREFIX + "delivery_subscription", "subscription_seq", "event_seq"),
    sqlite_with_rowid=False,
)


def waiting_in(table: FromClause) -> ColumnElement[bool]:
    """`state` is waiting. The code stands in the statement as it is: for a bound value the
    database would not know that a partial index holds the rows."""
    return table.c.state == literal_column("1")


WAITING = waiting_in(delivery)
CLAIMED = delivery.c.state == literal_column("2")
DEAD = delivery.c.state == literal_column("4")
Index(
    PREFIX + "delivery_due",
    delivery.c.origin,
    delivery.c.next_at,
    sqlite_where=WAITING,
    postgresql_where=WAITING,
)
Index(
    PREFIX + "delivery_claimed",
    delivery.c.dispatcher,
    sqlite_where=CLAIMED,
    postgresql_where=CLAIMED,
)
Index(  # dead letters are counted and listed without a walk over what was delivered
    PREFIX + "delivery_dead",
    delivery.c.event_seq,
    sqlite_where=DEAD,
    postgresql_where=DEAD,
)

attempt = Table(
    PREFIX + "attempt",
    metadata,
    _seq(),
    Column("event_seq", BigInteger, nullable=False),
    Column("subscription_seq", BigInteger, nullable=False),
    Column("batch", Text),
    Column("n", Integer, nullable=False),
    Column("started_at", _Ms, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("http_status", Integer),
    Column("outcome", _Code, nullable=False),
    Column("address", Text),
    Column("snippet", LargeBinary),
    Index(PREFIX + "attempt_delivery", "event_seq", "subscription_seq"),
    sqlite_autoincrement=True,
)

origin = Table(
    PREFIX + "origin",
    metadata,
    _seq(),
    Column("name", Text, nullable=False, unique=True),
    Column("blocked_until", _Ms),
    sqlite_autoincrement=True,
)

dispatcher = Table(
    PREFIX + "dispatcher",
    metadata,
    _seq(),
    Column("id", _Id, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("version", Text, nullable=False),
    Column("started_at", _Ms, nullable=False),
    Column("heartbeat_at", _Ms, nullable=False),
    Column("state", _Code, nullable=False),
    sqlite_autoincrement=True,
)
# PostgreSQL: tables in which most rows are soon dead are cleaned by their number, not their share.
_UPKEEP = {
    outbox: "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,"
    " autovacuum_vacuum_cost_delay = 0",
    delivery: "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02",
    event: "autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02",
    meta: "fillfactor = 10, autovacuum_vacuum_threshold = 1000",
    dispatcher: "fillfactor = 10, autovacuum_vacuum_threshold = 1000",
}
for _table, _settings in _UPKEEP.items():
    _set: DDL = DDL(f"ALTER TABLE {_table.name} SET ({_settings})")  # type: ignore[no-untyped-call]
    listen(_table, "after_create", _set.execute_if(dialect="postgresql"))

#: `state` of a dispatcher that did not end and was not declared dead.
ALIVE = dispatcher.c.state == literal_column("1")
