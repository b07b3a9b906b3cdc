"""The dispatcher's part of a store: what only the one process may do that delivers."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from sqlalchemy import select

from .. import _core
from ..config import StoreConfig
from ..errors import ConfigurationError, Forked
from ..logs import about
from . import deliveries, dispatchers, due, outbox
from .base import DispatcherInfo, DueTuple, EventTuple
from .groups import DueGroups, read_groups
from .process import StoreProcess
from .schema import outbox as outbox_table
from .transaction import Transaction

log = logging.getLogger("webhooksub")


class DispatcherRole:
    """Taken by :meth:`begin`, given back by :meth:`end`. Any thread."""

    def __init__(
        self, process: StoreProcess, config: StoreConfig, clock: Callable[[], int]
    ) -> None:
        self._process, self._config, self._clock = process, config, clock
        self._room: Callable[[], int] | None = None
        self._take: Callable[[_core.Events], None] | None = None
        self._wake: Callable[[], None] | None = None
        self._lock = threading.Lock()
        self._start_anew()

    def _start_anew(self) -> None:
        self.groups = DueGroups()
        self._backlog = deliveries.Backlog(self._config.waiting_per_subscription_max)
        self._suspects = 0  # at most so many are free
        self._suspect: int | None = None  # the one that we have
        self._alone = True  # suspects and others take turns

    @property
    def refused(self) -> int:
        """Deliveries that became dead because too many waited."""
        return self._backlog.refused

    def take_refused(self) -> Counter[int]:
        """By subscription, since it was called before."""
        return self._backlog.take_refused()

    # --- life ------------------------------------------------------------------------

    def begin(self, info: DispatcherInfo) -> int:
        """Raises ConfigurationError naming who has the role."""
        self._check_fork()
        with self._lock:
            process = self._process
            if process.dispatcher is not None:
                raise ConfigurationError("this store has a dispatcher in this process already")
            process.open()
            started = dispatchers.format_start(self._clock())
            process.lock.acquire({"host": info.host, "pid": info.pid, "started": started})
            try:
                self._start_anew()
                process.dispatcher = process.write(lambda t: self._begin(t, info))
                process.writer.between(process.database.role_begins)
            except BaseException:
                process.dispatcher = None
                process.lock.release()
                raise
            assert process.dispatcher is not None
            return process.dispatcher

    def _begin(self, transaction: Transaction, info: DispatcherInfo) -> int:
        now = self._clock()
        seq = dispatchers.begin(
            transaction,
            info,
            quarantine_claims=self._config.quarantine_claims,
            now=now,
            gone_before=self._process.database.gone_before(now),
        )
        self._suspects = outbox.count_suspects(transaction)
        return seq

    def hand_over_to(
        self,
        room: Callable[[], int] | None,
        take: Callable[[_core.Events], None] | None,
        wake: Callable[[], None] | None,
    ) -> None:
        self._room, self._take, self._wake = room, take, wake
        if wake is None:
            self._process.database.stop_listening()
        else:
            self._process.database.listen(wake)

    def heartbeat(self) -> bool:
        self._check_fork()
        return self._keep_if(self._process.write(self._heartbeat))

    def _heartbeat(self, transaction: Transaction) -> bool:
        now = self._clock()
        if transaction.alive:
            if dispatchers.follow_clock(transaction, now):
                transaction.after.append(self.groups.forget_times)
            self._take_over_gone(transaction, now)
        return dispatchers.heartbeat(transaction, now)

    def _take_over_gone(self, transaction: Transaction, now: int) -> None:
        if dispatchers.take_over_gone(
            transaction,
            quarantine_claims=self._config.quarantine_claims,
            gone_before=self._process.database.gone_before(now),
        ):
            self._suspects = outbox.count_suspects(transaction)
            transaction.after += [self.groups.look_anew, self.wake]

    def end(self) -> None:
        with self._lock:
            self._room = self._take = self._wake = None
            process = self._process
            if process.dispatcher is None:
                return
            process.database.stop_listening()
            try:
                process.write(lambda t: dispatchers.end(t, self._clock()))
                process.writer.between(process.database.role_ends)
                process.database.tell_others()
            finally:
                process.dispatcher = None
                process.lock.release()

    def _keep_if(self, alive: bool) -> bool:
        """Who was declared dead is handed nothing any more."""
        if not alive:
            self._room = self._take = None
        return alive

    def _check_fork(self) -> None:
        if self._process.role_is_parents:
            raise Forked("the dispatcher belongs to the parent process")

    # --- hand-over -------------------------------------------------------------------

    def room(self, transaction: Transaction) -> int:
        """How many more events of this transaction may be ours at once."""
        ask = self._room
        if ask is None or not transaction.alive:
            return 0
        return max(0, ask() - sum(map(len, transaction.handed)))

    def hand_over(self, transaction: Transaction) -> None:
        """After the commit, on the writer's thread. What cannot be taken is free again."""
        parts, take = transaction.handed, self._take
        if not parts:
            return
        try:
            if take is None:
                raise ConfigurationError("nobody takes events any more")
            take(_core.join_events(*parts))
        except Exception:
            seqs = [seq for part in parts for seq in part.seqs()]
            text = "%d events could not be handed over; they will be claimed"
            facts = about("hand_over_failed", events=len(seqs))
            log.exception(text, len(seqs), extra=facts)
            self.release_events(seqs)

    def wake(self) -> None:
        wake = self._wake
        if wake is not None:
            wake()

    def due_in(self, *, looked: bool) -> int | None:
        """From memory where it is known, else from the store."""
        at = self._next_due(looked)
        return None if at is None else at - self._clock()

    def _next_due(self, looked: bool) -> int | None:
        if self._process.dispatcher is not None and (
            looked or not self.groups.stale(self._process.peek())
        ):
            return self.groups.next_due()
        with self._process.reading() as connection:
            due_at = read_groups(connection, parked_only=False)
        return min((at for group, at in due_at.items() if group > 0), default=None)

    # --- work ------------------------------------------------------------------------

    def claim_events(self, limit: int, max_bytes: int) -> list[tuple[EventTuple, int]]:
        self._check_fork()
        if not self._process.peek().events_free:
            return []
        claimed: list[tuple[EventTuple, int]] = self._process.write(
            lambda t: self._claim_events(t, limit, max_bytes), rows=limit
        )
        return claimed

    def _claim_events(
        self, transaction: Transaction, limit: int, max_bytes: int
    ) -> list[tuple[EventTuple, int]]:
        if not transaction.alive or self._suspect_is_out(transaction):
            return []
        claimed: list[tuple[EventTuple, int]] = []
        for alone in (True, False) if self._alone else (False, True):
            if alone and not self._suspects:
                continue
            claimed = outbox.claim_events(transaction, limit, max_bytes, alone=alone)
            if alone:
                self._suspects = self._suspects if claimed else 0
                self._suspect = claimed[0][0][0] if claimed else None
            if claimed:
                break
        self._alone = self._suspect is None
        return claimed

    def _suspect_is_out(self, transaction: Transaction) -> bool:
        """Ours, and neither settled nor released."""
        if self._suspect is not None:
            held = select(outbox_table.c.event_seq).where(
                outbox_table.c.event_seq == self._suspect,
                outbox_table.c.dispatcher == transaction.dispatcher,
            )
            if transaction.connection.execute(held).first() is not None:
                return True
            self._suspect = None
        return False

    def release_events(self, seqs: Sequence[int]) -> None:
        self._check_fork()
        self._process.write(lambda t: outbox.release_events(t, seqs), rows=len(seqs))

    def set_aside_events(self, seqs: Sequence[int]) -> None:
        self._check_fork()
        self._process.write(lambda t: outbox.set_aside(t, seqs), rows=len(seqs))

    def claim_due(self, per_origin: int, limit: int) -> list[DueTuple]:
        self._check_fork()
        now = self._clock()
        at = self.groups.next_due()
        if (at is None or at > now) and not self.groups.stale(self._process.peek()):
            return []
        claimed: list[DueTuple] = self._process.write(
            lambda t: self._claim_due(t, per_origin, limit, now), rows=limit
        )
        return claimed

    def _claim_due(
        self, transaction: Transaction, per_origin: int, limit: int, now: int
    ) -> list[DueTuple]:
        if not transaction.alive:
            return []
        if self.groups.catch_up(transaction):
            self._suspects = outbox.count_suspects(transaction)
        return due.claim_due(transaction, self.groups, per_origin=per_origin, limit=limit, now=now)

    def release_due(self, rows: Sequence[tuple[int, int]], delay_ms: int) -> None:
        self._check_fork()
        at = self._clock() + delay_ms
        self._process.write(lambda t: due.release_due(t, self.groups, rows, at), rows=len(rows))

    def free_origin(self, name: str) -> None:
        self._check_fork()
        now = self._clock()
        with self._process.reading() as connection:
            if not due.is_left_alone(connection, self.groups, name, now):
                return
        while self._process.write(lambda t: due.free_origin(t, self.groups, name, now)):
            self.wake()
        self.wake()

    def settle(self, reports: _core.Reports | None, done: Sequence[tuple[int]]) -> bool:
        self._check_fork()
        now = self._clock()
        alive = self._process.write_plain(
            lambda t: deliveries.settle(
                t, reports, done, groups=self.groups, backlog=self._backlog, now=now
            ),
            rows=len(done) + (0 if reports is None else len(reports)),
        )
        return self._keep_if(alive)
