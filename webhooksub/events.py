"""The values that a :class:`Dispatcher` takes and answers.

Times are aware UTC datetimes, durations milliseconds. Codes are those of the store and of
the C core: append only.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Literal, NoReturn

from ._core import Subscription
from .notebook import InNotebook

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Action(IntEnum):
    """What happened to an entity; ANY is a subscription's word only."""

    CREATE = 1
    UPDATE = 2
    DELETE = 3
    ANY = 4


class SubscriptionStatus(IntEnum):
    """EXPIRED is computed from the date, never stored."""

    PENDING = 1
    ACTIVE = 2
    PAUSED = 3
    DISABLED = 4
    EXPIRED = 5
    INVALID = 6


class DeliveryState(IntEnum):
    """Where a delivery stands."""

    WAITING = 1
    CLAIMED = 2
    DELIVERED = 3
    DEAD = 4
    EXPIRED = 5
    CANCELLED = 6
    QUARANTINED = 7


class Outcome(IntEnum):
    """How an attempt ended."""

    SUCCESS = 1
    HTTP_ERROR = 2
    REDIRECT = 3
    GONE = 4
    DNS_ERROR = 5
    CONNECT_ERROR = 6
    CONNECT_TIMEOUT = 7
    TLS_CERTIFICATE = 8
    TLS_HANDSHAKE = 9
    BLOCKED_ADDRESS = 10
    TIMEOUT = 11
    UNKNOWN = 12
    PROTOCOL_ERROR = 13
    RESEND_REFUSED = 14
    LOCAL_ERROR = 15
    EXPIRED = 16
    CANCELLED = 17
    BACKLOG_FULL = 18
    SPILLED = 19
    DISABLED = 20
    NOT_CONNECTED = 21


#: Outcomes that are ours and not the endpoint's.
_OWN_OUTCOMES = frozenset(
    (
        Outcome.LOCAL_ERROR,
        Outcome.EXPIRED,
        Outcome.CANCELLED,
        Outcome.BACKLOG_FULL,
        Outcome.SPILLED,
        Outcome.DISABLED,
        Outcome.NOT_CONNECTED,
    )
)


def is_own(outcome: Outcome) -> bool:
    """It is ours: no endpoint had a part in it."""
    return outcome in _OWN_OUTCOMES


def public_outcome(outcome: Outcome, http_status: int | None) -> str:
    """What a tenant is told: ``delivered``, ``refused`` (an HTTP answer that is no 2xx),
    ``unreachable``, or what we did ourselves. More would be a scan of what is behind our
    firewall."""
    if outcome is Outcome.SUCCESS:
        return "delivered"
    if outcome in _OWN_OUTCOMES:
        return outcome.name.lower()
    return "unreachable" if http_status is None else "refused"


def public_reason(reason: str) -> str:
    """Why a subscription is not active, as a tenant is told: what attempts did to it is stored
    as the last one's outcome."""
    try:
        outcome = Outcome[reason.upper()]
    except KeyError:
        return reason
    if outcome is Outcome.GONE:
        return "the endpoint answered 410 Gone"
    if outcome in (Outcome.HTTP_ERROR, Outcome.REDIRECT):
        return "the endpoint answered nothing but errors"
    return "the endpoint could not be reached"


@dataclass(frozen=True, slots=True)
class Event(InNotebook):
    """One published change. `duplicate`: the idempotency key had published it before."""

    id: str
    root: str
    action: str
    paths: tuple[str, ...]
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class StoredEvent(InNotebook):
    """An event as it was written. `data`: the bytes that were published, None where there were
    none; `in_outbox`: some of its deliveries have not begun or are not settled. A list has
    neither: both are None there."""

    id: str
    root: str
    action: str
    paths: tuple[str, ...]
    open_id: str | None
    published_at: datetime
    data: bytes | None = field(default=None, repr=False)
    in_outbox: bool | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionInfo(InNotebook):
    """A subscription in the store: what its owner wrote, and what the service made of it.

    `allowed_per_minute`: requests that its URL allowed when it agreed, None for any number.
    """

    id: str
    owner: str
    status: SubscriptionStatus
    status_reason: str | None
    created_at: datetime
    updated_at: datetime
    subscription: Subscription | None  # None when `status` is INVALID
    resource: str
    revision: int
    has_integrity_key: bool
    warnings: tuple[str, ...] = ()
    allowed_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """What a rotation made. `integrity_key` is shown this once, and only where it was made
    by us; `old_key_until` is None where there was none, or it ended at once."""

    subscription: SubscriptionInfo
    integrity_key: str | None = field(repr=False)
    old_key_until: datetime | None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key that is shown once cannot be pickled")


@dataclass(frozen=True, slots=True)
class RotatedKeys:
    """What sealing all integrity keys anew came to.

    Of those `looked_at` so many were `sealed` by the key `key_id`; the others were already, or
    are `unreadable`: ids of subscriptions of which a key could not be opened.
    """

    key_id: int
    looked_at: int
    sealed: int
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery(InNotebook):
    """One event for one subscription. Outcome and duration are for the operator, ``public``
    for the tenant."""

    event_id: str
    subscription_id: str
    state: DeliveryState
    attempts: int
    next_at: datetime | None
    http_status: int | None
    outcome: Outcome | None
    duration_ms: int | None
    updated_at: datetime
    batch: str | None = None

    @property
    def public(self) -> str | None:
        """See :func:`public_outcome`; None before the first attempt has ended."""
        return None if self.outcome is None else public_outcome(self.outcome, self.http_status)


@dataclass(frozen=True, slots=True)
class Attempt(InNotebook):
    """One POST that failed, or that followed a failed one. Outcome, duration, address and
    snippet are for the operator, ``public`` for the tenant."""

    event_id: str
    subscription_id: str
    n: int
    started_at: datetime
    duration_ms: int
    http_status: int | None
    outcome: Outcome
    address: str | None
    snippet: bytes | None
    batch: str | None = None

    @property
    def public(self) -> str:
        """See :func:`public_outcome`."""
        return public_outcome(self.outcome, self.http_status)


@dataclass(frozen=True, slots=True)
class TestResult:
    """How an endpoint took a test notification. The fields are for the operator; by its
    `message_id` the same one can be sent again.

    ``public`` is for the tenant, whom more would show what is where behind our firewall.
    """

    outcome: Outcome
    http_status: int | None
    duration_ms: int
    address: str | None
    message_id: str

    @property
    def public(self) -> Literal["delivered", "refused", "unreachable"]:
        """``refused``: an HTTP answer that is no 2xx; ``unreachable``: everything else."""
        if self.outcome is Outcome.SUCCESS:
            return "delivered"
        return "unreachable" if self.http_status is None else "refused"


@dataclass(frozen=True, slots=True)
class FlushResult(InNotebook):
    """What happened since the flush before (or the start), and what is left.

    `waiting` is due later and was not awaited; `in_flight` and `ready` are 0 unless the
    timeout came first.
    """

    delivered: int
    waiting: int
    dead: int
    expired: int
    cancelled: int
    retried: int
    ready: int
    in_flight: int

    @property
    def complete(self) -> bool:
        """Nothing was ready or in flight any more."""
        return self.ready == 0 and self.in_flight == 0


@dataclass(frozen=True, slots=True)
class Explanation(InNotebook):
    """Why one subscription hears, or does not hear, a change.

    Codes: ``hears``, ``not_covered``, ``created_later``, ``expired``, ``pending``, ``paused``,
    ``disabled``, ``invalid``, ``queued``, ``missed``, ``breaker_open`` and the states of a
    delivery. `attempts` and `http_status` are of the event's delivery, or the newest one;
    `until`: when the next attempt is due, or when the subscription expired. All of it may be
    shown to the subscription's owner.
    """

    subscription_id: str
    hears: bool
    code: str
    reason: str
    attempts: int | None = None
    http_status: int | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class OperatorEvent:
    """Something that whoever runs the service should know.

    Kinds: ``disabled``, ``failing``, ``recovered``, ``dead``, ``backlog_full``,
    ``quarantined``, ``unresolved``, ``store_unavailable``, ``fenced``,
    ``authorizer_failed``, ``key_unreadable``, ``expiring``, ``lifecycle_unsent``,
    ``lifecycle_full``. `facts` hold what the kind is about, by id.
    """

    kind: str
    message: str
    facts: dict[str, Any] = field(default_factory=dict)


def from_ms(ms: int) -> datetime:
    """UTC milliseconds as an aware datetime, exactly."""
    return _EPOCH + timedelta(milliseconds=ms)


def to_ms(moment: datetime) -> int:
    """An aware datetime as UTC milliseconds, cut to whole ones."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def format_moment(moment: datetime) -> str:
    """``2029-07-07T17:40:40.000Z``."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
