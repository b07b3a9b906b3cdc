"""The face of every store, and the rows that cross it.

A store keeps events, subscriptions and what became of deliveries. It delivers nothing and
knows nothing of HTTP: codes of actions, states, statuses and outcomes are numbers to it,
those of :mod:`webhooksub.events`. All times are UTC milliseconds, all ids 16 bytes; a
`seq` is the store's own number of a row and is never used twice.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, overload

from .. import _core
from ..events import RotatedKeys
from .listeners import Listeners

#: An event as :meth:`webhooksub._core.Engine.push` takes it: (seq, id, action, paths, open_id,
#: data, published_at, revision, settled subscription seqs or None). What a store puts behind
#: that is its own.
EventTuple = tuple[
    int,
    bytes,
    int,
    Sequence[str],
    str | None,
    bytes | None,
    int,
    int,
    Sequence[int] | None,
]
#: A claimed waiting row: (event, subscription seq, attempts made).
DueTuple = tuple[EventTuple, int, int]


class NewEvent(NamedTuple):
    """An event to be written. `fingerprint` tells whether a repeated key means the same."""

    id: bytes
    root: str
    action: int
    paths: tuple[str, ...]
    open_id: str | None
    data: bytes | None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None


def have_keys(events: Sequence[NewEvent]) -> bool:
    """One of them has an idempotency key. Those that were published as many have none."""
    if isinstance(events, _core.NewEvents):
        return False
    return any([event.idempotency_key is not None for event in events])


def data_bytes(events: Sequence[NewEvent]) -> int:
    """Of all of them."""
    if isinstance(events, _core.NewEvents):
        return events.data_bytes
    return sum([len(event.data) for event in events if event.data])


def seqs_of(events: Sequence[EventTuple]) -> Sequence[int]:
    """Of stored ones, each."""
    if isinstance(events, _core.Events):
        return events.seqs()
    return [event[0] for event in events]


def revision_of(events: Sequence[EventTuple]) -> int:
    """Of stored ones, the highest; 0 without any."""
    if isinstance(events, _core.Events):
        return events.revision
    return max((event[7] for event in events), default=0)


class Published(NamedTuple):
    """What was written for one NewEvent; `duplicate`: its key had published `id` before."""

    seq: int
    id: bytes
    duplicate: bool


class NewlyPublished(Sequence[Published]):
    """What was written for events that are all new: made when it is looked at."""

    __slots__ = ("_events", "_seqs")

    def __init__(self, seqs: Sequence[int], events: Sequence[NewEvent]) -> None:
        self._seqs, self._events = seqs, events

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __len__(self) -> int:
        return len(self._events)

    @overload
    def __getitem__(self, index: int) -> Published: ...
    @overload
    def __getitem__(self, index: slice) -> list[Published]: ...
    def __getitem__(self, index: int | slice) -> Published | list[Published]:
        if isinstance(index, slice):
            return [self[n] for n in range(len(self))[index]]
        return Published(self._seqs[index], self._events[index].id, False)


class CreationKey(NamedTuple):
    """Makes a creation that is asked for twice one: of this owner, with this content."""

    owner: str
    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class DispatcherInfo:
    """Who wants to deliver."""

    id: bytes
    host: str
    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """A stored event."""

    seq: int
    id: bytes
    root: str
    action: int
    paths: tuple[str, ...]
    open_id: str | None
    data: bytes | None = field(repr=False)
    published_at: int
    revision: int


@dataclass(frozen=True, slots=True)
class SubscriptionRecord:
    """A stored subscription; `deleted_at` is set in a tombstone.

    `origin_seq` numbers the origin of `url`. `keys`: those in force, the newest first; looking
    at one may raise KeyUnreadable. `keys_until`: when the first of them ends.
    """

    seq: int
    id: bytes
    root: str
    owner: str
    resource: str
    action: int
    channel: int
    url: str | None
    socket_event: str | None
    expires_at: int
    expires_text: str
    brand_code: str | None
    max_retries: int | None
    options: str
    status: int
    status_reason: str | None
    failing_since: int | None
    created_at: int
    updated_at: int
    created_rev: int
    rev: int
    deleted_at: int | None
    origin: str | None
    origin_seq: int | None
    keys: Sequence[bytes] = field(repr=False)
    keys_until: int | None = None


#: Columns that :meth:`Store.update_subscription` takes.
CHANGEABLE = frozenset(
    ("root", "owner", "resource", "action", "channel", "url", "origin", "socket_event")
    + ("expires_at", "expires_text", "brand_code", "max_retries", "options")
    + ("status", "status_reason", "failing_since")
)


def check_changeable(changes: Iterable[str]) -> None:
    """Raises ValueError naming what is no such column."""
    if unknown := set(changes) - CHANGEABLE:
        raise ValueError(f"no column that can be changed: {', '.join(sorted(unknown))}")


def root_is_full(most: int) -> str:
    """Names the limit."""
    return f"subscriptions_per_root_max: there are {most} already"


TOO_MANY_KEYS = f"{_core.KEYS_MAX} keys are in force already: wait until the oldest ends"


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One event for one subscription; `origin_seq` is 0 where there is no origin."""

    event_seq: int
    subscription_seq: int
    event_id: bytes
    subscription_id: bytes
    state: int
    attempts: int
    next_at: int | None
    batch: str | None
    http_status: int | None
    outcome: int | None
    duration_ms: int | None
    updated_at: int


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt that failed, or that followed a failed one or a replay."""

    event_seq: int
    subscription_seq: int
    batch: str | None
    n: int
    started_at: int
    duration_ms: int
    http_status: int | None
    outcome: int
    address: str | None
    snippet: bytes | None


class Store(Protocol):
    """What the service layer calls. Every method may be called from any thread.

    Raises :class:`StoreUnavailable` where the database does not answer or refuses,
    :class:`Closed` after :meth:`close`, :class:`Forked` where a dispatcher's role was
    inherited by a fork.
    """

    @property
    def name(self) -> str:
        """The store as people know it, without secrets."""

    @property
    def durable(self) -> bool:
        """It outlives the process."""

    @property
    def listeners(self) -> Listeners:
        """Who is at a socket now."""

    @property
    def shared(self) -> bool:
        """Several dispatchers may deliver from it at once."""

    def open(self) -> None:
        """Connects; creates the schema in an empty store. Raises ConfigurationError when the
        schema is another version's. Twice is fine."""

    def close(self, timeout: float = 10) -> None:
        """Writes what was given, then ends; waits for that to `timeout` seconds."""

    def facts(self) -> dict[str, Any]:
        """What `webhooksub doctor` tells about it."""

    # --- publishing ------------------------------------------------------------------

    def publish(self, events: Sequence[NewEvent]) -> Sequence[Published]:
        """Writes the events, all or none; returns after the commit.

        Raises OutboxFull; Conflict when an idempotency key was used for other content.
        """

    def publish_on(self, connection: Any, events: Sequence[NewEvent]) -> Sequence[Published]:
        """Writes them in the transaction of `connection` (SQLAlchemy Connection or Session,
        DB-API connection), which it never commits.

        Raises as :meth:`publish`, and ConfigurationError when the connection is unfit.
        """

    def wake(self) -> None:
        """Tells the dispatcher of this store object, if it has one, to look for events."""

    # --- the dispatcher's role -------------------------------------------------------

    def begin_dispatching(self, dispatcher: DispatcherInfo) -> int:
        """Takes the role and what dead dispatchers held; answers the dispatcher's seq.

        Raises ConfigurationError naming who holds the role.
        """

    def hand_over_to(
        self,
        room: Callable[[], int] | None,
        take: Callable[[_core.Events], None] | None,
        wake: Callable[[], None] | None = None,
    ) -> None:
        """Until called with None: events that :meth:`publish` writes are ours at once.

        `room` is asked how many more may be; `take` gets them on the writer's thread right
        after their commit. `wake` is called when there may be others to claim.
        """

    def heartbeat(self) -> bool:
        """False: another dispatcher took over; nothing may be written any more."""

    def end_dispatching(self) -> None:
        """Gives the role back, and what was claimed. Twice is fine."""

    def claim_events(
        self, limit: int, max_bytes: int
    ) -> tuple[Sequence[EventTuple], Sequence[int]]:
        """Takes events that nobody has, oldest first, to `max_bytes` of data but at least one.
        Answers them, and how many take-overs each has survived.

        An event taken over three times comes alone, and nothing else comes until it is
        settled or released.
        """

    def release_events(self, seqs: Sequence[int]) -> None:
        """Claimed events that were not begun: anybody may claim them."""

    def set_aside_events(self, seqs: Sequence[int]) -> None:
        """Claimed events that this dispatcher can do nothing with: nobody claims them until
        a dispatcher begins, and they do not count as taken over."""

    def claim_due(self, per_origin: int, limit: int) -> list[DueTuple]:
        """Takes waiting deliveries that are due, at most `per_origin` of each origin.

        Those of a paused subscription stay, those of a deleted one become cancelled, of
        an expired one expired.
        """

    def release_due(self, rows: Sequence[tuple[int, int]], delay_ms: int) -> None:
        """Claimed (event seq, subscription seq) that were not begun: due again later."""

    def free_origin(self, name: str) -> None:
        """Somebody is there: it is held no more, and what waits for it untried is due."""

    def due_in(self, *, looked: bool = False) -> int | None:
        """Milliseconds until the next waiting delivery is due, by the store's clock; not above
        0: one is. None: none waits. With `looked` as :meth:`claim_due` saw it just now, which
        spares a query: what others made due since is not known."""

    def settle(self, reports: _core.Reports | None, done: Sequence[tuple[int]] = ()) -> bool:
        """Writes outcomes and deletes the outbox rows of `done` events, in one transaction.

        False: this dispatcher was declared dead, and nothing was written. Raises
        StoreUnavailable when it could not commit: the reports are still the caller's.
        """

    def take_refused(self) -> Mapping[int, int]:
        """By subscription seq: deliveries that became dead because too many wait, since the
        call before."""

    # --- subscriptions ---------------------------------------------------------------

    def add_subscription(
        self,
        *,
        id: bytes,
        root: str,
        owner: str,
        resource: str,
        action: int,
        channel: int,
        url: str | None,
        socket_event: str | None,
        expires_at: int,
        expires_text: str,
        brand_code: str | None,
        max_retries: int | None,
        options: str,
        status: int,
        origin: str | None,
        keys: Sequence[bytes] = (),
        status_reason: str | None = None,
        per_root_max: int = 0,
        creation: CreationKey | None = None,
    ) -> SubscriptionRecord:
        """Writes a new one; hears events from the next transaction on. With a `creation`
        that was asked for before, answers the one made then.

        Raises Conflict when the id is there or the creation's key meant something else,
        LimitReached when the root has `per_root_max` (0: no limit).
        """

    def update_subscription(
        self,
        id: bytes,
        changes: Mapping[str, Any],
        *,
        keys: Sequence[bytes] | None = None,
        keys_overlap_ms: int = 0,
        expected_rev: int | None = None,
        per_root_max: int = 0,
    ) -> SubscriptionRecord:
        """Changes columns by name; `keys` None keeps them, () clears them, others replace
        the old ones, which serve beside them for `keys_overlap_ms`.

        Raises NotFound; Conflict when `expected_rev` is not its `rev` any more; LimitReached
        when too many keys would be in force, or it moves to a root that has `per_root_max`.
        """

    def delete_subscription(self, id: bytes, expected_rev: int | None = None) -> SubscriptionRecord:
        """Leaves a tombstone; what waits for it becomes cancelled. Raises NotFound, and
        Conflict when `expected_rev` is not its `rev` any more."""

    def subscription(self, id: bytes) -> SubscriptionRecord | None:
        """One of them, a tombstone too."""

    def subscriptions(
        self,
        *,
        roots: Sequence[str] | None,
        resource: str | None = None,
        status: int | None = None,
        owner: str | None = None,
        brand_code: str | None = None,
        expires_after: int | None = None,
        expires_by: int | None = None,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> list[SubscriptionRecord]:
        """Those that were not deleted, oldest first, with a seq above `after`, or the last
        ones with a seq below `before`.

        `roots` None: all roots. They expire after, or by, the given times.
        """

    def count_subscriptions(
        self,
        *,
        roots: Sequence[str] | None,
        resource: str | None = None,
        status: int | None = None,
        owner: str | None = None,
        brand_code: str | None = None,
        expires_after: int | None = None,
        expires_by: int | None = None,
    ) -> int:
        """How many :meth:`subscriptions` there are in all."""

    def subscription_ids(self, seqs: Sequence[int]) -> dict[int, bytes]:
        """Of those that are known, tombstones too."""

    def numbered(self, seqs: Sequence[int]) -> list[SubscriptionRecord]:
        """Those of them that are there, tombstones too."""

    def mark(self, name: str) -> int:
        """A number that :meth:`set_mark` kept, else 0."""

    def set_mark(self, name: str, number: int) -> None:
        """Keeps a number as long as the store."""

    def revision(self) -> int:
        """Grows with every change of subscriptions."""

    def changes(self, since: int) -> tuple[int, list[SubscriptionRecord]]:
        """The revision now, and every subscription changed after `since`, tombstones too."""

    # --- looking ---------------------------------------------------------------------

    def event(self, id: bytes) -> EventRecord | None:
        """One event."""

    def events(
        self,
        *,
        roots: Sequence[str] | None = None,
        action: int | None = None,
        since: int | None = None,
        until: int | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> list[EventRecord]:
        """Newest first and without their data; `before` is the seq of the last one seen, with
        `after` they are the next newer ones."""

    def event_ids(self, seqs: Sequence[int]) -> dict[int, bytes]:
        """Of those that are there."""

    def in_outbox(self, event_seq: int) -> bool:
        """Some of its deliveries have not begun or are not settled."""

    def deliveries(
        self,
        *,
        roots: Sequence[str] | None = None,
        subscription: int | None = None,
        event: int | None = None,
        state: int | None = None,
        since: int | None = None,
        until: int | None = None,
        before: tuple[int, int] | None = None,
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[DeliveryRecord]:
        """The newest events' first; `before` is (event seq, subscription seq) of the last
        one seen, with `after` they are the next newer ones. `since` and `until` (excluded)
        bound the time of publishing."""

    def count_deliveries(
        self,
        *,
        roots: Sequence[str] | None = None,
        subscription: int | None = None,
        event: int | None = None,
        state: int | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> int:
        """How many :meth:`deliveries` there are in all."""

    def attempts(self, event_seq: int, subscription_seq: int) -> list[AttemptRecord]:
        """Of one delivery, the oldest first."""

    def stats(self) -> dict[str, int]:
        """Counts: outbox (without quarantined), outbox_age_ms, quarantined, waiting, claimed,
        dead, subscriptions, dispatchers_alive, backlog_full (since the role was taken)."""

    def quarantined_seqs(self) -> set[int]:
        """Of all events that kept killing their dispatcher."""

    def quarantined(self, limit: int = 100) -> list[EventRecord]:
        """Events that nobody claims any more, because they kept killing dispatchers."""

    def release_quarantined(self, seqs: Sequence[int]) -> int:
        """They may be claimed again. Answers how many."""

    def rotate_keys(self, progress: Callable[[int, int], None] | None = None) -> RotatedKeys:
        """Seals every integrity key by the keyring's first key, in small transactions; begun
        again it goes on. Tells `progress` (keys looked at, keys). Raises ConfigurationError
        without a keyring."""

    # --- replay and retention --------------------------------------------------------

    def replay(self, deliveries: Sequence[tuple[int, int]]) -> int:
        """Those of (event seq, subscription seq) that ended are due now, as if never tried;
        what was tried stays in their attempts. Answers how many."""

    def replay_range(
        self,
        subscription_seq: int,
        since_ms: int,
        until_ms: int,
        match: Callable[[EventRecord], bool],
    ) -> int:
        """The same for every event of that time that `match` says the subscription hears,
        also for those that it missed. Answers how many."""

    def purge(
        self, root: str, *, progress: Callable[[dict[str, int]], None] | None = None
    ) -> dict[str, int]:
        """Ends the subscriptions under a root, and deletes its events and all that belongs to
        them, waiting or not. Answers as :meth:`prune`."""

    def prune(
        self, *, older_than_ms: int, progress: Callable[[dict[str, int]], None] | None = None
    ) -> dict[str, int]:
        """Deletes events published before, of which nothing waits, and what belongs to them.

        Answers, and tells `progress` after each transaction, rows deleted by kind.
        """
