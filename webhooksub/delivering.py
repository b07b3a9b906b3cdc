"""The thread between the store and the engine: claims work, settles what became of it.

The engine delivers and knows no store; the store writes and knows no engine. One
:class:`DeliveryLoop` per started dispatcher carries rows between them:

    store ──claim──▶ engine ──reports──▶ store

It is the only place where the heartbeat, the lease and the polling rhythm are kept.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from . import _core
from .authorizer import Authorizer, parse_root
from .config import Config
from .errors import StoreUnavailable
from .events import OperatorEvent, SubscriptionStatus
from .feed import SubscriptionFeed
from .hostcalls import HOST_SECONDS, HostCalls, LeftBehind, say_left
from .logs import about
from .news import News
from .steady import SteadyClock
from .store.base import DispatcherInfo, EventTuple, Store, revision_of, seqs_of
from .telling import Telling
from .watching import Watching

log = logging.getLogger("webhooksub")

# Reports are awaited so long when nothing else is due; a wake-up ends it sooner.
_IDLE_MS = 100
# So often is done what no event waits for.
_TEND_MS = 100
# A store that fails is asked again after this, doubling to the second figure.
_OUTAGE_MS = (50, 5_000)
# Due work that could not be claimed, another dispatcher being about it, is asked for after this.
_DUE_AGAIN_MS = 25
# Who closes looks so often whether the host's code has returned, once its time is over.
_LOOK_SECONDS = 0.05
_UNRESOLVED = -1
_FULL = -2


class DeliveryLoop:
    """One started dispatcher's thread. :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        store: Store,
        engine: _core.Engine,
        feed: SubscriptionFeed,
        config: Config,
        clock: Callable[[], int],
        authorizer: Authorizer,
        calls: HostCalls,
        news: News,
        watching: Watching,
    ) -> None:
        self._store, self._engine, self._feed = store, engine, feed
        self._config = config.dispatcher
        self._steady = SteadyClock(clock)  # of the rhythms
        self._authorizer, self._calls, self._tell = authorizer, calls, calls.tell
        self._telling = Telling(store, calls.tell, clock, self._config.tell_again_ms)
        self._news, self._watching = news, watching
        self._done: deque[tuple[int]] = deque()
        self._overflow: deque[Sequence[EventTuple]] = deque()  # in parts, none of them empty
        self._refused: list[tuple[int, int]] = []
        self._unresolved: set[int] = set()
        self._aside: deque[int] = deque()  # of these, those that the store does not know of
        self._closing = threading.Event()  # claims nothing more, still settles
        self._stopping = threading.Event()  # the engine has ended: settle the rest
        self._poll_now = threading.Event()
        self._turned = threading.Condition()
        self._asked = self._answered = self._ready = 0  # for count_ready; under the condition
        self._outage_ms = 0
        self._suffers = False
        self._beat_at = self._recheck_at = self._poll_at = self._tend_at = 0
        self.fenced = False
        self._thread = threading.Thread(target=self._run, name="webhooksub-delivery", daemon=True)

    def start(self, info: DispatcherInfo) -> None:
        """Takes the dispatcher's role and begins. Raises when another holds it."""
        quarantined = self._store.quarantined_seqs()
        self.seq = self._store.begin_dispatching(info)
        try:
            self._telling.of_quarantined(self._store.quarantined_seqs() - quarantined)
            self._engine.extend_lease(self._config.lease_ms)
            self._feed.catch_up()
            self._engine.start()
        except BaseException:
            self._store.end_dispatching()
            raise
        self._store.hand_over_to(self._room, self.take, self.wake)
        now = self._steady()
        self._beat_at = now + self._config.heartbeat_ms
        self._recheck_at = now + self._config.recheck_ms
        self._thread.start()

    def stop(self, grace_ms: int) -> None:
        """Starts nothing more, lets attempts end, settles all, gives the role back."""
        until = time.monotonic() + max(grace_ms / 1_000, HOST_SECONDS)
        self._store.hand_over_to(None, None)
        self._closing.set()
        try:
            self._close_engine(grace_ms)
        finally:
            self._stopping.set()
            self._engine.wake_reports()
            self._end_thread(until)

    def _end_thread(self, until: float) -> None:
        """It settles and ends by itself, unless it runs the host's code then, or Ctrl-C comes
        meanwhile: then it is left there, and the rest is done here."""
        try:
            while self._thread.is_alive() and self._thread is not threading.current_thread():
                self._thread.join(max(until - time.monotonic(), _LOOK_SECONDS))
                if time.monotonic() >= until and self._calls.leave():
                    break
        finally:
            if self._calls.leave():
                say_left()
                self._drain()
                self._wake_who_flush()

    def _close_engine(self, grace_ms: int) -> None:
        """Ctrl-C ends the grace: attempts under way become waiting rows, as without any."""
        closing = threading.Thread(target=self._engine.close, args=(grace_ms,))
        try:
            if grace_ms > 0:
                closing.start()
                closing.join()
        except RuntimeError:  # no thread begins any more: the interpreter ends
            self._engine.close(grace_ms)
        finally:
            self._engine.close(0)

    def wake(self) -> None:
        """Polls for events at once. Any thread."""
        self._poll_now.set()
        self._engine.wake_reports()

    def _room(self) -> int:
        """How many events the writer may hand over at once; any number of matches each."""
        deliveries, bytes_ = self._engine.room()
        return deliveries if bytes_ > 0 and not self._overflow else 0

    def take(self, events: _core.Events) -> None:
        """Events that our writer committed as ours. On the writer's thread."""
        with self._calls.deferring():
            self._feed.catch_up(at_least=events.revision)
            self._push(events)

    def count_ready(self, timeout: float) -> int | None:
        """Deliveries and events that something is about to happen to.

        Counted between two turns, when nothing is on its way from the store to the engine.
        Waits to `timeout` seconds for none; then the last count, None: not counted meanwhile.
        0 also when the loop has ended.
        """
        with self._turned:
            self._asked += 1
            ticket = self._asked
            self._engine.wake_reports()
            self._turned.wait_for(
                lambda: self._answered >= ticket and self._ready == 0 or self._ended,
                timeout,
            )
            if self._ended:
                return 0
            return self._ready if self._answered >= ticket else None

    @property
    def works(self) -> bool:
        """It was started, and has not ended."""
        return not self._ended and not self.fenced

    @property
    def _ended(self) -> bool:
        return not self._thread.is_alive() or self._calls.left

    def _wake_who_flush(self) -> None:
        with self._turned:
            self._turned.notify_all()

    @property
    def unresolved(self) -> int:
        """Events whose paths this catalog does not know."""
        return len(self._unresolved)

    # --- on the loop's thread --------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set() and not self.fenced:
                self._turn(_IDLE_MS)
            self._drain()
        except LeftBehind:
            pass
        except Exception:
            text = "the delivery loop ended by a defect; call close() and start() again"
            log.exception(text, extra=about("stopped_by_defect"))
            self.fenced = True
            raise
        finally:
            self._engine.close(0)
            self._wake_who_flush()

    def _turn(self, timeout_ms: int) -> None:
        """Who asks while it goes on is answered by the next one, which does all of this anew."""
        self._suffers = False
        asked, now = self._asked, self._steady()
        try:
            self._beat(now)
            if not self._closing.is_set():
                self._feed.catch_up()
                self._push_overflow()
                self._poll(now)
                self._tend(now)
        except StoreUnavailable as error:
            self._suffer(error)
        self._settle(timeout_ms if asked == self._answered else 0)
        if not self._suffers:
            self._outage_ms = 0
        self._answer(asked)

    def _answer(self, asked: int) -> None:
        """Whoever asked is told of none only: more is counted again in the next turn."""
        if asked == self._answered and self._ready == 0:
            return
        ready = self._count_ready()
        with self._turned:
            self._answered, self._ready = asked, ready
            if ready == 0:
                self._turned.notify_all()

    def _count_ready(self) -> int:
        stats = self._engine.stats()
        busy = stats["queued"] + stats["in_flight"] + stats["unsettled"]
        if busy or self._done or self._overflow:
            return max(busy, 1)
        try:
            outbox = self._store.stats()["outbox"] - self.unresolved
            due_in = self._store.due_in()
        except StoreUnavailable as error:
            self._suffer(error)
            return 1
        return max(outbox, 0) + (1 if due_in is not None and due_in <= 0 else 0)

    def _beat(self, now: int) -> None:
        if now < self._beat_at:
            return
        self._beat_at = now + self._config.heartbeat_ms
        began = time.monotonic()
        if self._store.heartbeat():
            # It counts from before the store heard of it: others count from then.
            took_ms = int((time.monotonic() - began) * 1_000)
            self._engine.extend_lease(max(0, self._config.lease_ms - took_ms))
        else:
            self._fence()

    def _fence(self) -> None:
        self.fenced = True
        self._engine.close(0)
        self._tell(OperatorEvent("fenced", "another dispatcher took this one's work over"))

    def _poll(self, now: int) -> None:
        """Claims at once again while there is work, or no room for it, else when some is due,
        and by the rhythm."""
        if now < self._poll_at and not self._poll_now.is_set():
            return
        self._poll_now.clear()
        found = self._claim_events() + self._claim_due()
        self._poll_at = now
        if not found and self._room() > 0:
            due_in = self._store.due_in(looked=True)
            pause = self._config.poll_ms if due_in is None else max(due_in, _DUE_AGAIN_MS)
            self._poll_at += min(pause, self._config.poll_ms)

    def _push_overflow(self) -> None:
        """What was refused for lack of room. The writer's thread may add to it meanwhile."""
        for _ in range(len(self._overflow)):
            self._push(self._overflow.popleft())

    def _claim_events(self) -> int:
        deliveries, bytes_ = self._engine.room()
        limit = min(self._config.claim_events, deliveries)
        if limit <= 0 or bytes_ <= 0 or self._overflow:
            return 0
        claimed, _ = self._store.claim_events(limit, bytes_)
        if claimed:
            # Ours from now on: whatever fails, they are pushed by this turn or a later one.
            self._overflow.append(claimed)
            self._feed.catch_up(at_least=revision_of(claimed))
            self._push_overflow()
        return len(claimed)

    def _claim_due(self) -> int:
        limit = min(self._config.claim_due, self._engine.room()[0])
        if limit <= 0:
            return 0
        due = self._store.claim_due(self._config.claim_due_per_origin, limit)
        if due:
            taken = self._engine.push_due(due)
            self._refused += [
                (event[0], seq) for (event, seq, _), ok in zip(due, taken, strict=True) if not ok
            ]
        self._release_refused()
        return len(due)

    def _release_refused(self) -> None:
        """Claimed rows that the engine did not take, also those of a turn that failed."""
        if self._refused:
            self._store.release_due(self._refused, self._config.poll_ms)
            self._refused = []

    def _push(self, events: Sequence[EventTuple]) -> None:
        answers = self._engine.push(events)
        if min(answers) > 0:
            return
        seqs, refused = seqs_of(events), []
        for n, matches in enumerate(answers):
            if matches == 0:
                self._done.append((seqs[n],))
            elif matches == _FULL:
                refused.append(n)
            elif matches == _UNRESOLVED and seqs[n] not in self._unresolved:
                self._tell_unresolved(events[n])
        if refused:
            rest = refused[0]
            whole = len(refused) == len(events) - rest
            self._overflow.append(events[rest:] if whole else [events[n] for n in refused])
        if self._done:
            self._engine.wake_reports()

    def _tell_unresolved(self, event: EventTuple) -> None:
        self._unresolved.add(event[0])
        self._aside.append(event[0])
        self._tell(
            OperatorEvent(
                "unresolved",
                "an event's path is not in this catalog; it stays in the outbox",
                {"event_id": _core.uuid_text(event[1])},
            )
        )

    def _set_aside(self) -> None:
        """Events that wait for another catalog are not held by us: we may die of others."""
        seqs = list(self._aside)
        if seqs:
            self._store.set_aside_events(seqs)
            for _ in seqs:
                self._aside.popleft()

    def _settle(self, timeout_ms: int) -> bool:
        if self._outage_ms and not self._stopping.wait(self._outage_ms / 1_000):
            timeout_ms = 0
        wait_ms = 0 if self._done else timeout_ms
        reports = self._engine.take_reports(self._config.settle_deliveries, wait_ms)
        done = [self._done.popleft() for _ in range(len(self._done))]
        if reports is None and not done:
            return False
        try:
            alive = self._store.settle(reports, done)
        except StoreUnavailable as error:
            self._done.extendleft(reversed(done))
            if reports is not None:
                self._engine.return_reports(reports)
            self._suffer(error)
            return True
        if reports is not None:
            self._poll_when_due(reports)
            self._tell_of(reports)
            self._engine.settled(reports)
        if not alive and not self.fenced:
            self._fence()
        return True

    def _poll_when_due(self, reports: _core.Reports) -> None:
        """A retry that is due before the rhythm would look for it."""
        delays = [row[4] for row in reports.waiting(0)]
        if delays:
            self._poll_at = min(self._poll_at, self._steady() + min(delays))

    def _suffer(self, error: StoreUnavailable) -> None:
        self._suffers = True
        if not self._outage_ms:
            self._tell(OperatorEvent("store_unavailable", str(error)))
        first, most = _OUTAGE_MS
        self._outage_ms = min(max(first, self._outage_ms * 2), most)

    def _tell_of(self, reports: _core.Reports) -> None:
        """They are written: what cannot be told now for want of the store is not told, nor what
        the host's code, left behind, does not wait for."""
        if self._calls.left:
            return
        try:
            if self._watching.watcher is not None:
                with self._calls.running():
                    self._watching.of_reports(reports)
            if changes := reports.subscriptions():
                self._telling.of_subscriptions(changes)
                self._news.of_subscriptions(changes)
            if dead := reports.dead():
                self._telling.of_dead(dead)
                self._news.of_dead(dead)
        except StoreUnavailable as error:
            self._suffer(error)

    def _tend(self, now: int) -> None:
        if now < self._tend_at:
            return
        self._tend_at = now + _TEND_MS
        self._calls.tell_deferred()
        self._feed.expire()
        self._feed.end_keys()
        self._set_aside()
        self._recheck(now)
        self._telling.of_backlogs()
        self._news.look_ahead()

    def _recheck(self, now: int) -> None:
        """Who lost access stops receiving. A failing authorizer changes nothing."""
        if now < self._recheck_at:
            return
        self._recheck_at = now + self._config.recheck_ms
        for owner, root in self._feed.owners():
            if self._closing.is_set():
                return
            try:
                with self._calls.running():
                    allowed = self._authorizer.still_allowed(owner, parse_root(root))
            except Exception as error:
                text = "the authorizer failed; its last answer stands"
                log.exception(text, extra=about("authorizer_raised", root=root))
                self._tell(OperatorEvent("authorizer_failed", repr(error), {"root": root}))
                continue
            if not allowed:
                self._disable(owner, root)

    def _disable(self, owner: str, root: str) -> None:
        reason = "its owner may no longer receive what happens here"
        for record in self._store.subscriptions(roots=[root], owner=owner, limit=1_000_000):
            if record.status == SubscriptionStatus.ACTIVE:
                changes: dict[str, Any] = {
                    "status": int(SubscriptionStatus.DISABLED),
                    "status_reason": reason,
                }
                self._store.update_subscription(record.id, changes)
                facts = {"subscription_id": _core.uuid_text(record.id)}
                self._tell(OperatorEvent("disabled", reason, facts))
                self._news.of_lost_access(record, reason)

    def _drain(self) -> None:
        """The engine is closed: settle what it still reported, then give the role back."""
        if self.fenced:
            return
        self._calls.tell_deferred()
        self._outage_ms = 0
        while self._settle(0) and self._outage_ms < _OUTAGE_MS[1]:
            time.sleep(self._outage_ms / 1_000)
        try:
            self._release_refused()
            if self._overflow:
                kept = chain.from_iterable(map(seqs_of, self._overflow))
                self._store.release_events(list(kept))
            self._store.end_dispatching()
        except StoreUnavailable as error:
            # Whoever dispatches next takes over what could not be given back.
            self._suffer(error)
