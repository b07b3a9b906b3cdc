"""What the files of a run prove: published against received, and the store against both."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .expect import Rows, expected, notification_id
from .folder import Folder, read_lines

# Lost notifications that are named; the rest is counted.
NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """The sender's end: deliveries in its store, by what became of them."""

    delivered: int
    retried: int  # took more than one attempt
    unanswered: int  # of these, had one that no answer came to: the receiver may not know of it
    dead: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of a run, in numbers. Latencies are milliseconds from published to accepted."""

    published: int  # events acknowledged
    matched: int  # notifications owed for them
    delivered: int  # notifications that the receiver accepted
    posts: int  # requests that the receiver got
    retried: int  # notifications that it got more than once
    dead: int  # deliveries given up
    verified: int  # requests whose signatures are right
    unverified: int
    lost: int  # owed and not accepted
    seconds: float
    deliveries_per_second: float
    latency_ms: dict[str, int | None]
    disagreements: tuple[str, ...] = ()  # between what is owed, the store and the receiver
    lost_named: tuple[tuple[str, str], ...] = ()

    @property
    def fine(self) -> bool:
        """Nothing was lost, everything verified, both ends say the same."""
        return not (self.lost or self.unverified or self.disagreements)

    def as_json(self) -> dict[str, Any]:
        """The figures, under the names that the documentation gives."""
        names = [f for f in self.__slots__ if f not in ("disagreements", "lost_named")]
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class Received:
    """The receiver's end, read from received.jsonl."""

    accepted: dict[str, int] = field(default_factory=dict)  # notification id: latency in ms
    seen: Counter[str] = field(default_factory=Counter)
    verified: set[int] = field(default_factory=set)  # numbers of requests
    unverified: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, lines: Iterable[dict[str, Any]]) -> "Received":
        made = cls()
        for line in lines:
            (made.verified if line["verified"] else made.unverified).add(line["request"])
            made.seen[line["id"]] += 1
            if line["verified"] and 200 <= line["status"] < 300:
                made.accepted.setdefault(line["id"], _latency_ms(line))
        return made


def judge(
    folder: Folder,
    rows: Rows,
    store: StoreCounts,
    *,
    seconds: float,
    before: int = 0,
    undisturbed: bool = True,
) -> Verdict:
    """`seconds` is what the deliveries after the first `before` took; `undisturbed`: no
    process died, so that the store knows of every attempt."""
    published = list(read_lines(folder.published))
    subscriptions = list(read_lines(folder.subscriptions))
    owed = {notification_id(*pair): pair for pair in expected(rows, subscriptions, published)}
    received = Received.read(read_lines(folder.received))
    lost = [pair for id_, pair in owed.items() if id_ not in received.accepted]
    beyond = received.accepted.keys() - owed.keys()
    if beyond and not undisturbed:
        beyond = beyond.intersection(_possible(published, subscriptions))
    retried = sum(1 for count in received.seen.values() if count > 1)
    return Verdict(
        published=len(published),
        matched=len(owed),
        delivered=len(received.accepted),
        posts=len(received.verified) + len(received.unverified),
        retried=retried,
        dead=store.dead,
        verified=len(received.verified),
        unverified=len(received.unverified),
        lost=len(lost),
        seconds=round(seconds, 3),
        deliveries_per_second=round((len(received.accepted) - before) / seconds, 1),
        latency_ms=_percentiles(received.accepted.values()),
        disagreements=(
            *_disagreement("delivered", store.delivered, len(received.accepted)),
            *_disagreement("retried", store.retried, retried, undisturbed, store.unanswered),
            *_unowed(len(beyond)),
        ),
        lost_named=tuple(lost[:NAMED_MAX]),
    )


def accepted(folder: Folder) -> int:
    """Notifications accepted so far."""
    return len(Received.read(read_lines(folder.received)).accepted)


def _disagreement(
    name: str, told: int, seen: int, comparable: bool = True, unseen: int = 0
) -> Iterable[str]:
    """The receiver may know of as many fewer as are `unseen`."""
    if comparable and not told - unseen <= seen <= told:
        yield f"{name}: the store says {told:,}, the receiver {seen:,}"


def _possible(
    published: Sequence[dict[str, Any]], subscriptions: Sequence[dict[str, Any]]
) -> Iterator[str]:
    """Every id that an acknowledged event can have. What else came after a crash is of an
    event that was committed and not acknowledged: nobody knows what that one owes."""
    for event in published:
        for one in subscriptions:
            yield notification_id(event["id"], one["id"])


def _unowed(count: int) -> Iterable[str]:
    """Heard by a subscription that must not hear it: as bad as lost."""
    if count:
        yield f"delivered: the receiver got {count:,} that nobody is owed"


def _latency_ms(line: dict[str, Any]) -> int:
    published = datetime.fromisoformat(line["published"])
    return int(line["received_ms"]) - round(published.timestamp() * 1_000)


def _percentiles(values: Iterable[int]) -> dict[str, int | None]:
    ordered = sorted(values)
    if not ordered:
        return {"p50": None, "p99": None}
    return {f"p{p}": ordered[min(len(ordered) * p // 100, len(ordered) - 1)] for p in (50, 99)}
