"""Events on their way to be fanned out: written, counted, claimed, given back.

An outbox row says that its event is not yet fanned out, and by its `dispatcher` who does
that: nobody (NULL), a dispatcher's seq, :data:`QUARANTINE` or :data:`ASIDE`. `claims` counts
how often the event was taken over from a dispatcher that died.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, case, func, select, update

from .. import _core
from . import idempotency
from .base import EventTuple, NewEvent, NewlyPublished, Published, have_keys
from .hot import SUSPECT_CLAIMS, Cursor
from .schema import ALIVE, PREFIX, delivery, dispatcher, outbox
from .transaction import Transaction

#: Holds events that keep killing their dispatcher, until somebody looks at them.
QUARANTINE = 0
#: Holds events that their dispatcher can do nothing with, until another one begins.
ASIDE = -1


def write_events(
    transaction: Transaction,
    events: Sequence[NewEvent],
    *,
    now: int,
    idempotency_until: int,
    room: int,
) -> Sequence[Published]:
    """Writes events that were admitted; the first `room` of them are handed over.

    Raises Conflict before anything is written.
    """
    cursor = transaction.cursor
    known: list[bytes | None] | None = None
    new = events
    if have_keys(events):
        transaction.hot.lock(cursor, idempotency.names(events))
        known = idempotency.recognise(cursor, events, now)
        new = [event for event, id_ in zip(events, known, strict=True) if id_ is None]
        idempotency.remember(cursor, new, idempotency_until)
    ours = min(room, len(new))
    seqs = transaction.hot.insert_events(transaction, new, now, ours) if new else ()
    transaction.left |= ours < len(new)
    if ours:
        _hand(transaction, new[:ours], seqs, now)
    if known is None:
        return NewlyPublished(seqs, new)
    return _published(cursor, events, known, seqs)


def _hand(
    transaction: Transaction, ours: Sequence[NewEvent], seqs: Sequence[int], now: int
) -> None:
    """They are numbered in runs: another process may have taken a number in between."""
    revision, start = transaction.revision, 0
    for end in range(1, len(ours) + 1):
        if end == len(ours) or seqs[end] != seqs[end - 1] + 1:
            run = ours[start:end]
            transaction.handed.append(_core.number_events(run, seqs[start], now, revision))
            start = end


def _published(
    cursor: Cursor,
    events: Sequence[NewEvent],
    known: Sequence[bytes | None],
    seqs: Sequence[int],
) -> list[Published]:
    answers: list[Published] = []
    fresh: dict[bytes, int] = {}
    for event_, id_ in zip(events, known, strict=True):
        if id_ is None:
            seq = fresh[event_.id] = seqs[len(fresh)]
            answers.append(Published(seq, event_.id, False))
        else:
            seq = fresh.get(id_) or idempotency.seq_of(cursor, id_)
            answers.append(Published(seq, id_, True))
    return answers


# --- claiming ------------------------------------------------------------------------


def claim_events(
    transaction: Transaction, limit: int, max_bytes: int, *, alone: bool
) -> list[tuple[EventTuple, int]]:
    """The oldest free events, to `max_bytes` of data but at least one; with `alone` the
    oldest suspect and nothing else."""
    if alone:
        limit = 1
    rows = transaction.hot.take_free(transaction, limit, max_bytes, suspects=alone)
    claimed: list[tuple[EventTuple, int]] = [
        ((seq, id_, action, paths.split("\n"), open_id, data, at, revision, None), claims)
        for claims, seq, id_, action, paths, open_id, data, at, revision in rows
    ]
    return _with_settled(transaction, claimed)


def _with_settled(
    transaction: Transaction, claimed: list[tuple[EventTuple, int]]
) -> list[tuple[EventTuple, int]]:
    """Events of dead dispatchers get the subscriptions that have their delivery row."""
    taken_over = [e[0] for e, claims in claimed if claims]
    if not taken_over:
        return claimed
    settled: dict[int, list[int]] = {seq: [] for seq in taken_over}
    key = (delivery.c.event_seq, delivery.c.subscription_seq)
    for seq, sub in transaction.connection.execute(
        select(*key).where(key[0].in_(taken_over)).order_by(*key)
    ):
        settled[seq].append(sub)
    return [((*e[:8], settled.get(e[0])), claims) for e, claims in claimed]


def count_suspects(transaction: Transaction) -> int:
    """Suspects and quarantined: a walk over the outbox, at take-over only."""
    count = select(func.count()).select_from(outbox)
    query = count.where(outbox.c.claims >= SUSPECT_CLAIMS)
    return transaction.connection.execute(query).scalar_one()


def release_events(transaction: Transaction, seqs: Sequence[int]) -> None:
    """Ours again nobody's, without counting."""
    transaction.cursor.executemany(
        f"UPDATE {PREFIX}outbox SET dispatcher = NULL WHERE event_seq = ? AND dispatcher = ?",
        [(seq, transaction.dispatcher) for seq in seqs],
    )


def set_aside(transaction: Transaction, seqs: Sequence[int]) -> None:
    """Ours nobody's until somebody begins: it is not their fault when dispatchers die."""
    transaction.cursor.executemany(
        f"UPDATE {PREFIX}outbox SET dispatcher = {ASIDE} WHERE event_seq = ? AND dispatcher = ?",
        [(seq, transaction.dispatcher) for seq in seqs],
    )


def take_over(transaction: Transaction, quarantine_claims: int) -> None:
    """What dispatchers that are gone still held is nobody's, and counted."""
    alive = select(dispatcher.c.seq).where(ALIVE)
    poison = outbox.c.claims + 1 >= quarantine_claims
    transaction.connection.execute(
        update(outbox)
        .where(outbox.c.dispatcher > QUARANTINE, outbox.c.dispatcher.not_in(alive))
        .values(dispatcher=case((poison, QUARANTINE), else_=None), claims=outbox.c.claims + 1)
    )


def free_aside(transaction: Transaction) -> None:
    """What any dispatcher had set aside is nobody's, and not counted."""
    transaction.cursor.execute(
        f"UPDATE {PREFIX}outbox SET dispatcher = NULL WHERE dispatcher = {ASIDE}"
    )


def give_back(transaction: Transaction) -> None:
    """At the end of the role. Part of these events may be settled, so they count as taken
    over once: whoever claims them is told which part. Nobody died of them."""
    first = outbox.c.claims == 0
    transaction.connection.execute(
        update(outbox)
        .where(outbox.c.dispatcher == transaction.dispatcher)
        .values(dispatcher=None, claims=case((first, 1), else_=outbox.c.claims))
    )


def quarantined(connection: Connection, limit: int | None = None) -> list[int]:
    """Seqs of events that nobody claims any more, because they kept killing dispatchers."""
    query = select(outbox.c.event_seq).where(outbox.c.dispatcher == QUARANTINE)
    return list(connection.execute(query.order_by(outbox.c.event_seq).limit(limit)).scalars())


def release_quarantined(transaction: Transaction, seqs: Sequence[int]) -> int:
    """Somebody looked: they may be claimed again. Answers how many."""
    transaction.cursor.executemany(
        f"UPDATE {PREFIX}outbox SET dispatcher = NULL, claims = 1"
        f" WHERE event_seq = ? AND dispatcher = {QUARANTINE}",
        [(seq,) for seq in seqs],
    )
    return transaction.cursor.rowcount
