"""A store and a dispatcher's life on it, at random, beside a model of what must be in it.

The engine is the machine itself: it holds what it was given, answers as it likes, and forgets
all when it crashes. The file, the claims, the settles and the clock are real.
"""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from webhooksub.events import DeliveryState, Outcome, SubscriptionStatus
from webhooksub.store import Store
from webhooksub.store.base import EventTuple, SubscriptionRecord
from webhooksub.store.queries import is_past

WAITING, CLAIMED, DELIVERED = (
    DeliveryState.WAITING,
    DeliveryState.CLAIMED,
    DeliveryState.DELIVERED,
)
DEAD, EXPIRED, CANCELLED = DeliveryState.DEAD, DeliveryState.EXPIRED, DeliveryState.CANCELLED
UNDER_WAY = (WAITING, CLAIMED)
SUSPECT, QUARANTINED = 3, 5  # take-overs
HOUR = 3_600_000
SUBSCRIPTIONS_MAX = 4

Pair = tuple[int, int]  # event seq, subscription seq


@dataclass
class Sub:
    record: SubscriptionRecord
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    deleted: bool = False
    wavered: bool = False  # was paused, expired or ended: what it must get is not certain


@dataclass
class Row:
    state: DeliveryState
    attempts: int
    due: int = 0


@dataclass
class Queued:
    """An event in the outbox."""

    revision: int
    claims: int = 0
    held: bool = False
    quarantined: bool = False


class Answer(NamedTuple):
    """What the engine has to report."""

    state: DeliveryState
    outcome: Outcome
    attempts: int
    delay: int
    claimed_row: bool


class DispatcherMachine(RuleBasedStateMachine):
    """`kit` is one of tests/conftest.py, for this run alone."""

    def __init__(self, kit: Any) -> None:
        super().__init__()
        self.kit, self.clock = kit, kit.clock
        self.subs: dict[int, Sub] = {}
        self.rows: dict[Pair, Row] = {}
        self.outbox: dict[int, Queued] = {}
        self.events: dict[int, tuple[int, int]] = {}  # acknowledged: revision, published at
        self.hand: dict[Pair, tuple[int, bool]] = {}  # attempts made; from a waiting row
        self.answers: dict[Pair, Answer] = {}
        self.fan: dict[int, set[int]] = {}  # of a held event: subscriptions to be settled
        self.done: list[int] = []  # events without matches
        self.received: Counter[Pair] = Counter()
        self.excused: Counter[Pair] = Counter()
        self.room = 0
        self.handed: list[EventTuple] = []
        self.arrived = threading.Event()
        self.clock_was_set_back = False
        self.store: Store = kit.store()
        self._begin()

    # --- what the model says ---------------------------------------------------------

    def _active(self, sub: Sub) -> bool:
        alive = sub.status == SubscriptionStatus.ACTIVE and not sub.deleted
        return alive and sub.record.expires_at > self.clock.now

    def _matches(self, revision: int) -> set[int]:
        """As the engine: it knows those that are active, and no date."""
        return {
            seq
            for seq, sub in self.subs.items()
            if sub.status == SubscriptionStatus.ACTIVE
            and not sub.deleted
            and sub.record.created_rev <= revision
        }

    def _begin(self) -> None:
        self.store.begin_dispatching(self.kit.info())
        self.store.hand_over_to(lambda: self.room, self._take)

    def _take(self, events: Any) -> None:
        self.handed += list(events)
        self.arrived.set()

    def _lose_hand(self) -> None:
        """What the engine knew is gone."""
        for pair, answer in self.answers.items():
            self.excused[pair] += answer.state == DELIVERED
        self.hand, self.answers, self.fan, self.done = {}, {}, {}, []
        for row in self.rows.values():
            if row.state == CLAIMED:
                row.state = WAITING

    def _hold(self, seq: int, settled: list[int]) -> None:
        self.outbox[seq].held = True
        wanted = self._matches(self.outbox[seq].revision) - set(settled)
        if not wanted:
            self.done.append(seq)
            return
        self.fan[seq] = set(wanted)
        for sub in wanted:
            assert (seq, sub) not in self.hand, "it is in hand already"
            self.hand[seq, sub] = (0, False)

    # --- the service -----------------------------------------------------------------

    @initialize(many=st.integers(1, 4))
    def begin(self, many: int) -> None:
        self._subscribe(HOUR * 1_000)
        self._subscribe(HOUR * 1_000)
        self._publish(many, False, False)

    @precondition(lambda self: len(self.subs) < SUBSCRIPTIONS_MAX)
    @rule(hours=st.sampled_from([1, 1_000]))
    def subscribe(self, hours: int) -> None:
        self._subscribe(HOUR * hours)

    def _subscribe(self, lives_ms: int) -> None:
        expires_at = self.clock.now + lives_ms
        host = "abc"[len(self.subs) % 3]
        record = self.kit.subscribe(self.store, host, expires_at=expires_at)
        self.subs[record.seq] = Sub(record)

    @rule(many=st.integers(1, 3), direct=st.booleans(), by_another=st.booleans())
    def publish(self, many: int, direct: bool, by_another: bool) -> None:
        """`direct`: handed to the engine by the writer; `by_another`: another process."""
        self._publish(many, direct, by_another)

    publish_2 = publish_3 = publish

    def _publish(self, many: int, direct: bool, by_another: bool) -> None:
        publisher = self.kit.store() if by_another else self.store
        self.room = many if direct else 0
        self.arrived.clear()
        published = publisher.publish(self.kit.events(many))
        if by_another:
            publisher.close()
        for each in published:
            self.events[each.seq] = (self.store.revision(), self.clock.now)
            self.outbox[each.seq] = Queued(self.store.revision())
        if direct and not by_another:
            assert self.arrived.wait(10), "committed, and not handed over"
            assert [event[0] for event in self.handed] == [each.seq for each in published]
            for event in self.handed:
                self._hold(event[0], [])
        self.handed.clear()

    @rule(
        data=st.data(), to=st.sampled_from([SubscriptionStatus.PAUSED, SubscriptionStatus.ACTIVE])
    )
    def pause_or_resume(self, data: st.DataObject, to: SubscriptionStatus) -> None:
        sub = data.draw(st.sampled_from(sorted(self.subs.items())))[1]
        if sub.deleted:
            return
        self.store.update_subscription(sub.record.id, {"status": int(to)})
        sub.status = to
        sub.wavered |= to != SubscriptionStatus.ACTIVE

    @rule(data=st.data(), overlap=st.sampled_from([0, HOUR]))
    def rotate(self, data: st.DataObject, overlap: int) -> None:
        sub = data.draw(st.sampled_from(sorted(self.subs.items())))[1]
        if sub.deleted:
            return
        key = self.kit.id() * 2
        known = self.store.subscription(sub.record.id)
        if overlap and known and len(known.keys) > 1:
            return
        made = self.store.update_subscription(
            sub.record.id, {}, keys=(key,), keys_overlap_ms=overlap
        )
        assert made.keys[0] == key

    @precondition(lambda self: len(self.subs) > 1)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        seq, sub = data.draw(st.sampled_from(sorted(self.subs.items())))
        if sub.deleted:
            return
        self.store.delete_subscription(sub.record.id)
        sub.deleted = sub.wavered = True
        for pair, row in self.rows.items():
            if pair[1] == seq and row.state == WAITING:
                row.state = CANCELLED

    @precondition(lambda self: any(r.state not in UNDER_WAY for r in self.rows.values()))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        ended = sorted(p for p, r in self.rows.items() if r.state not in UNDER_WAY)
        pair = data.draw(st.sampled_from(ended))
        row, sub = self.rows[pair], self.subs[pair[1]]
        assert self.store.replay([pair]) == (not sub.deleted)
        if sub.deleted:
            return
        self.excused[pair] += row.state == DELIVERED
        self.rows[pair] = Row(WAITING, 0, self.clock.now)

    @rule(age=st.sampled_from([0, HOUR]))
    def prune(self, age: int) -> None:
        before = self.clock.now - age + 1
        self.store.prune(older_than_ms=before)
        if self.events and is_past(self.events[min(self.events)][1], before, self.clock.now):
            return
        kept = {pair[0] for pair, row in self.rows.items() if row.state in UNDER_WAY}
        for seq, (_, published_at) in list(self.events.items()):
            if published_at >= before or seq in self.outbox or seq in kept:
                continue
            self._check_ended(seq)
            del self.events[seq]
            self.rows = {pair: row for pair, row in self.rows.items() if pair[0] != seq}

    # --- the dispatcher ---------------------------------------------------------------

    @rule(data=st.data(), rounds=st.integers(1, 3), claims_last=st.booleans())
    def work(self, data: st.DataObject, rounds: int, claims_last: bool) -> None:
        """Turns of a dispatcher, of which some answers and some settles stay away."""
        whats = st.sampled_from([DELIVERED, DELIVERED, WAITING, WAITING, DEAD, None])
        delays = st.sampled_from([0, 0, 5_000, HOUR])
        for _ in range(rounds):
            self._claim(5)
            self._claim_due()
            for pair in sorted(self.hand):
                if what := data.draw(whats):
                    self._answer(pair, what, data.draw(delays), data.draw(st.booleans()))
            if (self.answers or self.done) and data.draw(st.booleans()):
                self.settle()
        if claims_last:
            self._claim(5)
            self._claim_due()

    # Rules are drawn alike: this one moves deliveries on.
    work_2 = work_3 = work_4 = work_5 = work

    def _claim(self, limit: int) -> None:
        found, survived = self.store.claim_events(limit, 10**9)
        assert len(found) <= limit
        for event, claims in zip(found, survived, strict=True):
            queued = self.outbox[event[0]]
            assert not queued.held and not queued.quarantined, "somebody else's"
            assert claims == queued.claims
            assert claims < SUSPECT or len(found) == 1, "a suspect comes alone"
            mine = sorted(pair[1] for pair in self.rows if pair[0] == event[0])
            assert list(event[8] or []) == (mine if claims else [])
            self._hold(event[0], mine)

    def _claim_due(self) -> None:
        due = self.store.claim_due(1_000, 1_000)
        for event, sub, attempts in due:
            row = self.rows[event[0], sub]
            assert row.state == WAITING and row.attempts == attempts
            assert self._active(self.subs[sub]), "it may not be delivered to"
            assert row.due <= self.clock.now or self.clock_was_set_back, "before its time"
            assert (event[0], sub) not in self.hand
            row.state = CLAIMED
            self.hand[event[0], sub] = (attempts, True)
        self._see_ended()

    def _see_ended(self) -> None:
        """Rows that were due of who has expired or ended may have been ended."""
        for found in self.store.deliveries(limit=10_000):
            row = self.rows[found.event_seq, found.subscription_seq]
            sub = self.subs[found.subscription_seq]
            if row.state != WAITING or found.state == WAITING:
                continue
            gone = sub.deleted and found.state == CANCELLED
            expired = sub.record.expires_at <= self.clock.now and found.state == EXPIRED
            assert gone or expired, f"{found} was {row}"
            row.state = DeliveryState(found.state)
            sub.wavered = True

    def _answer(
        self, pair: Pair, what: DeliveryState, delay: int = 0, spills: bool = False
    ) -> None:
        attempts, claimed_row = self.hand.pop(pair)
        sub = self.subs[pair[1]]
        if sub.deleted:
            left = Answer(CANCELLED, Outcome.CANCELLED, attempts, 0, claimed_row)
        elif sub.record.expires_at <= self.clock.now:
            left = Answer(EXPIRED, Outcome.EXPIRED, attempts, 0, claimed_row)
            sub.wavered = True
        elif sub.status != SubscriptionStatus.ACTIVE or (what == WAITING and spills):
            left = Answer(WAITING, Outcome.SPILLED, attempts, 0, claimed_row)
        else:
            outcome = Outcome.SUCCESS if what == DELIVERED else Outcome.HTTP_ERROR
            left = Answer(what, outcome, attempts + 1, delay, claimed_row)
            self._receive(pair, what)
        self.answers[pair] = left

    def _receive(self, pair: Pair, what: DeliveryState) -> None:
        """It stands at the endpoint now."""
        if what == DELIVERED:
            self.received[pair] += 1
        assert self.received[pair] <= 1 + self.excused[pair], f"{pair} comes twice for no reason"

    @precondition(lambda self: self.answers or self.done)
    @rule()
    def settle(self) -> None:
        reports = type(self.kit.delivered([]))()
        for pair, answer in self.answers.items():
            self._report(reports, pair, answer)
        done, self.done = self.done, []
        assert self.store.settle(reports, [(seq,) for seq in done]), "nobody took over"
        for seq in [*done, *(event for (event,) in reports.ended)]:
            del self.outbox[seq]
        self.answers = {}

    def _report(self, reports: Any, pair: Pair, answer: Answer) -> None:
        event, seq = pair
        record, now = self.subs[seq].record, self.clock.now
        due = now + answer.delay if answer.state == WAITING else None
        status = {Outcome.SUCCESS: 200, Outcome.HTTP_ERROR: 500}.get(answer.outcome)
        reports.rows.append(
            self.kit._row(
                event, record, answer.state, answer.attempts, status,
                next_at=due, outcome=answer.outcome,
            )
        )  # fmt: skip
        if answer.outcome == Outcome.HTTP_ERROR:
            tried = (event, seq, None, answer.attempts, now, 12, 500, 2, "192.0.2.1", b"no")
            reports.tried.append(tried)
        if answer.claimed_row:
            reports.waited.append((event, seq, status is None))
        else:
            self.fan[event].discard(seq)
            if not self.fan[event]:
                del self.fan[event]
                reports.ended.append((event,))
        self.rows[pair] = Row(answer.state, answer.attempts, due or 0)

    # --- what may happen to it --------------------------------------------------------

    @precondition(lambda self: self.hand or self.answers or self.done)
    @rule()
    def crash(self) -> None:
        self._crash()

    @precondition(lambda self: self.outbox)
    @rule(times=st.integers(3, 6))
    def crash_at_each_claim(self, times: int) -> None:
        for _ in range(times):
            self._claim(2)
            self._crash()

    def _crash(self) -> None:
        """The object is left as it is, as after kill -9."""
        self.kit.die(self.store)
        for queued in self.outbox.values():
            if queued.held:
                queued.claims += 1
                queued.held = False
                queued.quarantined = queued.claims >= QUARANTINED
        self._lose_hand()
        self.store = self.kit.store()
        self._begin()

    @precondition(lambda self: self.hand or self.answers or self.done)
    @rule()
    def restart(self) -> None:
        """Ended as it should; what is answered and not settled is not lost by that."""
        if self.answers or self.done:
            self.settle()
        self.store.end_dispatching()
        for queued in self.outbox.values():
            if queued.held:
                queued.claims = max(queued.claims, 1)
                queued.held = False
        self._lose_hand()
        self.store.close()
        self.store = self.kit.store()
        self._begin()

    @rule(ms=st.sampled_from([1, 5_000, HOUR, 3 * HOUR]))
    def time_passes(self, ms: int) -> None:
        self.clock.advance(ms)
        self._beat()

    @precondition(lambda self: any(row.state == WAITING for row in self.rows.values()))
    @rule(ms=st.sampled_from([5_000, HOUR]))
    def clock_is_set_back(self, ms: int) -> None:
        self.clock.advance(-ms)
        self.clock_was_set_back = True
        self._beat()

    def _beat(self) -> None:
        assert self.store.heartbeat(), "nobody took over"
        for sub in self.subs.values():
            sub.wavered |= sub.record.expires_at <= self.clock.now

    @precondition(lambda self: any(q.quarantined for q in self.outbox.values()))
    @rule()
    def release_quarantined(self) -> None:
        seqs = [seq for seq, queued in self.outbox.items() if queued.quarantined]
        assert [event.seq for event in self.store.quarantined()] == seqs
        assert self.store.release_quarantined(seqs) == len(seqs)
        for seq in seqs:
            self.outbox[seq].quarantined, self.outbox[seq].claims = False, 1

    # --- what holds at any time -------------------------------------------------------

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        found = {
            (d.event_seq, d.subscription_seq): (d.state, d.attempts)
            for d in self.store.deliveries(limit=10_000)
        }
        assert found == {pair: (row.state, row.attempts) for pair, row in self.rows.items()}

    @invariant()
    def the_outbox_is_that_of_the_model(self) -> None:
        held_back = sum(queued.quarantined for queued in self.outbox.values())
        stats = self.store.stats()
        assert (stats["outbox"], stats["quarantined"]) == (len(self.outbox) - held_back, held_back)
        for seq in self.events:
            assert self.store.in_outbox(seq) == (seq in self.outbox)

    def _check_ended(self, seq: int) -> None:
        """Whoever was there before the event, and always active, got it or is known not to."""
        revision, _ = self.events[seq]
        for number, sub in self.subs.items():
            if sub.wavered or sub.record.created_rev > revision:
                continue
            row = self.rows.get((seq, number))
            assert row is not None and row.state in (DELIVERED, DEAD), f"{seq}/{number} is lost"
            if row.state == DELIVERED:
                assert self.received[seq, number] >= 1

    # --- the end ----------------------------------------------------------------------

    def teardown(self) -> None:
        """Left to a dispatcher that works, all that was acknowledged ends."""
        try:
            self._drain()
        finally:
            self.kit.close()

    def _drain(self) -> None:
        if any(queued.quarantined for queued in self.outbox.values()):
            self.release_quarantined()
        for sub in self.subs.values():
            if not sub.deleted:
                self.store.update_subscription(sub.record.id, {"status": 2})
                sub.status = SubscriptionStatus.ACTIVE
        for _ in range(1_000):
            self._claim(5)
            self._claim_due()
            for pair in list(self.hand):
                self._answer(pair, DELIVERED)
            if self.answers or self.done:
                self.settle()
            self.rows_are_those_of_the_model()
            due_in = self.store.due_in()
            if due_in is None and not self.outbox:
                break
            if due_in is not None and due_in > 0:
                self.clock.advance(due_in)
                self._beat()
        assert not self.outbox, "an acknowledged event stays in the outbox"
        assert all(row.state not in UNDER_WAY for row in self.rows.values())
        for seq in self.events:
            self._check_ended(seq)
