"""Judges what became of each event, from outside: by what was acknowledged, by the
receiver's own log and by the rows in the database, read without our code.

An acknowledged event must have been received by each subscription of its drawer, or be seen
to wait, or to have ended otherwise. It may be received again after a kill that lay between,
by as many notifications as the dispatcher can lose sight of; always with the same id.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from databases import Database

Pair = tuple[int, str]  # an event's number, a subscription's id

DELIVERED = 3
_EVENTS = "SELECT seq, {number} FROM webhooksub_event"
_SUBSCRIPTIONS = "SELECT seq, {id}, resource FROM webhooksub_subscription"
_DELIVERIES = "SELECT event_seq, subscription_seq, state FROM webhooksub_delivery"
_OUTBOX = "SELECT event_seq FROM webhooksub_outbox"


@dataclass(frozen=True)
class Receipt:
    """A line of the receiver's log."""

    at: int
    status: int
    pair: Pair
    id: str

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


@dataclass
class Rows:
    """What the database says; subscriptions by the drawer they belong to."""

    subscriptions: dict[str, list[str]] = field(default_factory=dict)
    events: set[int] = field(default_factory=set)  # numbers
    queued: set[int] = field(default_factory=set)  # numbers of those in the outbox
    ended: set[Pair] = field(default_factory=set)  # with a row, and not delivered by it
    damage: list[str] = field(default_factory=list)  # what it says of itself


@dataclass
class Verdict:
    """Of one round, or of several."""

    acknowledged: int = 0
    expected: int = 0  # pairs
    delivered: int = 0
    visible: int = 0  # waiting, dead, expired, in the outbox
    lost: list[Pair] = field(default_factory=list)
    duplicated: int = 0
    most_duplicated: int = 0  # by one kill
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Verdict") -> None:
        self.acknowledged += other.acknowledged
        self.expected += other.expected
        self.delivered += other.delivered
        self.visible += other.visible
        self.lost += other.lost
        self.duplicated += other.duplicated
        self.most_duplicated = max(self.most_duplicated, other.most_duplicated)
        self.wrong += other.wrong


def read_acknowledged(path: Path) -> dict[int, str]:
    """Drawer of each acknowledged event's number."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {int(n): drawer for n, drawer in (line.split() for line in lines)}


def read_receipts(path: Path) -> list[Receipt]:
    receipts = []
    for line in path.read_text().splitlines():
        at, status, n, subscription, id_ = line.split()
        pair = (int(n), subscription.replace("-", ""))
        receipts.append(Receipt(int(at), int(status), pair, id_))
    return receipts


def read_rows(database: Database) -> Rows:
    rows = Rows(damage=database.damage())
    events = {seq: n for seq, n in database.ask(_EVENTS.format(number=database.NUMBER))}
    rows.events = set(events.values())
    rows.queued = {events[seq] for (seq,) in database.ask(_OUTBOX) if seq in events}
    names = {}
    for seq, id_, resource in database.ask(_SUBSCRIPTIONS.format(id=database.ID)):
        names[seq] = id_
        rows.subscriptions.setdefault(resource.split("/")[3], []).append(id_)
    for event, subscription, state in database.ask(_DELIVERIES):
        if state != DELIVERED and event in events:
            rows.ended.add((events[event], names[subscription]))
    return rows


def judge(
    acknowledged: Mapping[int, str],
    receipts: Sequence[Receipt],
    rows: Rows,
    kills: Sequence[int],
    window: int,
    resumed: Sequence[tuple[int, int]] = (),
    leaving: int = 0,
) -> Verdict:
    """`kills` are when nobody delivered any more, in order; `window` is how many notifications
    one of them may repeat. `resumed` are from and until when who was taken over ran again: the
    request that was leaving when it was stopped may arrive then, with so many notifications."""
    verdict = Verdict(acknowledged=len(acknowledged), wrong=list(rows.damage))
    by_pair = defaultdict(list)
    for receipt in receipts:
        by_pair[receipt.pair].append(receipt)
    _judge_arrival(acknowledged, by_pair, rows, verdict)
    twice = _judge_repeats(by_pair, kills, window, verdict)
    for start, end in resumed:
        meanwhile = [(n, at) for n, at in twice if any(start <= t <= end for t in at)]
        if len(meanwhile) <= leaving:
            twice = [found for found in twice if found not in meanwhile]
    verdict.wrong += [f"event {n} came twice, and no kill lay between" for n, _ in twice]
    return verdict


def expected_pairs(acknowledged: Mapping[int, str], rows: Rows) -> Iterator[Pair]:
    for n, drawer in acknowledged.items():
        yield from ((n, subscription) for subscription in rows.subscriptions[drawer])


def _judge_arrival(
    acknowledged: Mapping[int, str],
    by_pair: Mapping[Pair, Sequence[Receipt]],
    rows: Rows,
    verdict: Verdict,
) -> None:
    for pair in expected_pairs(acknowledged, rows):
        verdict.expected += 1
        receipts = by_pair.get(pair, ())
        if any(receipt.accepted for receipt in receipts):
            verdict.delivered += 1
        elif pair in rows.ended or pair[0] in rows.queued:
            verdict.visible += 1
        elif receipts and pair[0] not in rows.events:
            verdict.visible += 1  # a dead letter that was pruned: it was refused by all
        else:
            verdict.lost.append(pair)


def _judge_repeats(
    by_pair: Mapping[Pair, Sequence[Receipt]],
    kills: Sequence[int],
    window: int,
    verdict: Verdict,
) -> list[tuple[int, tuple[int, int]]]:
    """Answers what came twice for no kill, and when."""
    by_kill: Counter[int] = Counter()
    twice = []
    for pair, receipts in by_pair.items():
        if len({receipt.id for receipt in receipts}) > 1:
            verdict.wrong.append(f"event {pair[0]} came with several ids")
        accepted = sorted(receipt.at for receipt in receipts if receipt.accepted)
        for earlier, later in zip(accepted, accepted[1:], strict=False):
            kill = bisect_left(kills, earlier)
            if kill < len(kills) and kills[kill] < later:
                by_kill[kill] += 1
            else:
                twice.append((pair[0], (earlier, later)))
    verdict.duplicated = by_kill.total()
    verdict.most_duplicated = max(by_kill.values(), default=0)
    for kill, count in by_kill.items():
        if count > window:
            verdict.wrong.append(f"kill {kill} repeated {count} notifications, {window} may be")
    return twice
