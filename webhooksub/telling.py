"""When is the operator told? What became of subscriptions, backlogs and events that kill.

Whoever delivers calls this on its thread, between two turns. One backlog that stays full
is told once per `tell_again_ms`, not once per delivery.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

from . import _core
from .events import OperatorEvent, Outcome
from .store.base import Store

# Named in one telling; an endpoint that is gone may cost thousands at once.
_DEAD_NAMED = 100

Tell = Callable[[OperatorEvent], None]


class Telling:
    """What is told already is remembered here."""

    def __init__(
        self, store: Store, tell: Tell, clock: Callable[[], int], tell_again_ms: int
    ) -> None:
        self._store, self._tell, self._clock = store, tell, clock
        self._again_ms = tell_again_ms
        self._refused: Counter[int] = Counter()  # by subscription, not told yet
        self._told_at: dict[int, int] = {}  # likewise, within the last `tell_again_ms`

    def of_subscriptions(self, changes: Sequence[tuple[int, str, int]]) -> None:
        """Rows of :meth:`_core.Reports.subscriptions`."""
        names = self._names([seq for seq, _, _ in changes])
        for seq, change, outcome in changes:
            word = Outcome(outcome).name.lower()
            message = f"a subscription is {change} ({word})"
            self._tell(OperatorEvent(change, message, names[seq] | {"outcome": word}))

    def of_dead(self, dead: Sequence[tuple[int, int]]) -> None:
        """What :meth:`_core.Reports.dead` gives."""
        named = dead[:_DEAD_NAMED]
        events = self._store.event_ids([event for event, _ in named])
        subscriptions = self._store.subscription_ids([sub for _, sub in named])
        pairs = [
            (_core.uuid_text(events[event]), _core.uuid_text(subscriptions[sub]))
            for event, sub in named
            if event in events and sub in subscriptions
        ]
        message = f"{len(dead):,} deliveries are dead letters: out of retries"
        facts = {"count": len(dead), "deliveries": pairs}
        self._tell(OperatorEvent("dead", message, facts))

    def of_backlogs(self) -> None:
        """Deliveries that became dead because too many of their subscription wait."""
        if refused := self._store.take_refused():
            self._refused.update(refused)
        if not self._refused:
            return
        now = self._clock()
        self._told_at = {s: at for s, at in self._told_at.items() if now < at + self._again_ms}
        due = [seq for seq in self._refused if seq not in self._told_at]
        names = self._names(due)
        for seq in due:
            count = self._refused.pop(seq)
            self._told_at[seq] = now
            message = f"{count:,} deliveries of a subscription are dead: as many as may wait do"
            self._tell(OperatorEvent("backlog_full", message, names[seq] | {"deliveries": count}))

    def of_quarantined(self, seqs: Collection[int]) -> None:
        """Those that taking the role has added."""
        for id_ in self._store.event_ids(sorted(seqs)).values():
            event = self._store.event(id_)
            if event is not None:
                message = "an event kept ending its dispatcher; it is not delivered any more"
                facts = {"event_id": _core.uuid_text(id_), "root": event.root}
                self._tell(OperatorEvent("quarantined", message, facts))

    def _names(self, seqs: Sequence[int]) -> dict[int, dict[str, Any]]:
        ids = self._store.subscription_ids(seqs)
        return {
            seq: {"subscription_id": _core.uuid_text(ids[seq])} if seq in ids else {}
            for seq in seqs
        }
