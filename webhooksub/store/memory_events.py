"""Which events a store in memory holds: those that are to be fanned out, those of which a
delivery waits, and of the others the last, so that one can look at them."""

from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from .. import _core

#: An EventTuple with its root behind: a row of :class:`webhooksub._core.Events`.
KeptEvent = tuple[Any, ...]

#: Finished events kept, so many at least.
FINISHED = 10_000
# Their data is kept up to this, so that a notebook may replay them.
_DATA_BYTES = 64 * 1024 * 1024
_ID, _ROOT = itemgetter(1), itemgetter(9)


class MemoryEvents:
    """Its caller holds the store's lock."""

    def __init__(self, waits: Callable[[int], bool]) -> None:
        """`waits`: does a delivery of the event with this seq?"""
        self.outbox = _core.Outbox()
        self._waits = waits
        self._held: dict[int, KeptEvent] = {}
        self._finished: deque[_core.Events] = deque()
        self._finished_count = self._finished_bytes = 0

    def leave(self, done: Sequence[tuple[int]], anything_waits: bool) -> None:
        """They were fanned out wholly; those that were so already are passed over."""
        events = self.outbox.take(done)
        if anything_waits:
            waiting = [n for n, seq in enumerate(events.seqs()) if self._waits(seq)]
            self._held.update((event[0], event) for event in map(events.__getitem__, waiting))
        self._finish(events)

    def over(self, seqs: Iterable[int]) -> None:
        """Nothing of them waits any more, unless it does."""
        ended = [seq for seq in seqs if seq in self._held and not self._waits(seq)]
        if ended:
            self._finish(_core.Events([self._held.pop(seq) for seq in ended]))

    def hold(self, event: KeptEvent) -> None:
        """A delivery of it waits again."""
        if event[0] not in self.outbox:
            self._held[event[0]] = event

    def unfinished(self, seq: int) -> KeptEvent:
        """In the outbox, or with something that waits."""
        return self.outbox[seq] if seq in self.outbox else self._held[seq]

    def kept(self) -> Mapping[int, KeptEvent]:
        """All that is here, the outbox last."""
        return ChainMap(cast(Any, self.outbox), self._held, cast(Any, _BySeq(self._finished)))

    def with_id(self, id: bytes) -> KeptEvent | None:
        """One of all that is here."""
        for events in (self.outbox.events(), *self._finished):
            if found := events.find(id):
                return found
        return next((event for event in self._held.values() if _ID(event) == id), None)

    def forget(self, root: str) -> int:
        """Those of the root that are over; answers how many."""
        finished = [event for events in self._finished for event in events]
        self._finished.clear()
        self._finished_count = self._finished_bytes = 0
        self._finish(_core.Events([event for event in finished if _ROOT(event) != root]))
        return len({event[0] for event in finished if _ROOT(event) == root} - self._held.keys())

    def _finish(self, events: _core.Events) -> None:
        """The last of them are kept."""
        if not events:
            return
        self._finished.append(events)
        self._finished_count += len(events)
        self._finished_bytes += events.data_bytes
        while self._finished and (
            self._finished_bytes > _DATA_BYTES
            or self._finished_count - len(self._finished[0]) >= FINISHED
        ):
            old = self._finished.popleft()
            self._finished_count -= len(old)
            self._finished_bytes -= old.data_bytes


class _BySeq(Mapping[int, KeptEvent]):
    """Events of several parts, made when they are looked at."""

    def __init__(self, parts: Iterable[_core.Events]) -> None:
        self._places = {seq: (part, n) for part in parts for n, seq in enumerate(part.seqs())}

    def __getitem__(self, seq: int) -> KeptEvent:
        part, n = self._places[seq]
        return part[n]

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
