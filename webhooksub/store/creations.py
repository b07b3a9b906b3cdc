"""Subscribing with a key, more than once: the same content is the same subscription.

The keys lie among those of publishing, in a place that is no root: none holds a newline.
"""

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from ..errors import Conflict
from . import subscriptions
from .base import CreationKey, SubscriptionRecord
from .idempotency import name as idempotency_key_name
from .schema import idempotency
from .transaction import Transaction

_ENDED = "this idempotency key was used for a subscription that has ended"


def recognise(
    transaction: Transaction, creation: CreationKey, now: int
) -> SubscriptionRecord | None:
    """The subscription that this key made. Raises Conflict when that was another one."""
    connection = transaction.connection
    name = idempotency_key_name(place(creation.owner), creation.key)
    transaction.hot.lock(transaction.cursor, [name])
    row = connection.execute(
        select(idempotency.c.event_id, idempotency.c.fingerprint).where(
            *_mine(creation), idempotency.c.expires_at > now
        )
    ).first()
    if row is None:
        return None
    if row.fingerprint != creation.fingerprint:
        raise Conflict("this idempotency key was used for another subscription")
    found = subscriptions.find(connection, row.event_id, now)
    if found is None or found.deleted_at is not None:
        raise Conflict(_ENDED)
    return found


def remember(connection: Connection, creation: CreationKey, id_: bytes, until: int) -> None:
    """Also in place of what the key meant before it was forgotten."""
    connection.execute(delete(idempotency).where(*_mine(creation)))
    connection.execute(
        insert(idempotency).values(
            root=place(creation.owner),
            key=creation.key,
            event_id=id_,
            fingerprint=creation.fingerprint,
            expires_at=until,
        )
    )


def place(owner: str) -> str:
    """Where an owner's keys lie."""
    return f"subscribe\n{owner}"


def _mine(creation: CreationKey) -> tuple[ColumnElement[bool], ...]:
    return (
        idempotency.c.root == place(creation.owner),
        idempotency.c.key == creation.key,
    )
