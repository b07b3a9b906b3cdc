"""Which events a store in memory holds: those that are to be fanned out, those of which a
delivery waits, and of the others the last, so that one can look at them."""

from collections import ChainMap, deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from operator import itemgetter
from typing import Any

#: An EventTuple with its root behind, as number_events makes it.
KeptEvent = tuple[Any, ...]

#: Finished events kept, so many at least.
FINISHED = 10_000
# Their data is kept up to this, so that a notebook may replay them.
_DATA_BYTES = 64 * 1024 * 1024
_DATA, _ROOT = itemgetter(5), itemgetter(9)


class MemoryEvents:
    """Its caller holds the store's lock."""

    def __init__(self, waits: Callable[[int], bool]) -> None:
        """`waits`: does a delivery of the event with this seq?"""
        self.outbox: dict[int, KeptEvent] = {}
        self.outbox_bytes = 0  # of data
        self._waits = waits
        self._held: dict[int, KeptEvent] = {}
        self._finished: deque[tuple[list[KeptEvent], int]] = deque()  # bytes of their data
        self._finished_count = self._finished_bytes = 0

    def add(self, seqs: Iterable[int], events: Sequence[KeptEvent], size: int) -> None:
        """They are to be fanned out; `size` are the bytes of their data."""
        self.outbox.update(zip(seqs, events, strict=True))
        self.outbox_bytes += size

    def leave(self, seqs: Sequence[tuple[int]], anything_waits: bool) -> None:
        """They were fanned out wholly; those that were so already are passed over."""
        take = self.outbox.pop
        events = [event for (seq,) in seqs if (event := take(seq, None)) is not None]
        if anything_waits:
            self._held.update((event[0], event) for event in events if self._waits(event[0]))
        size = data_size(map(_DATA, events))
        self.outbox_bytes -= size
        self._finish(events, size)

    def over(self, seqs: Iterable[int]) -> None:
        """Nothing of them waits any more, unless it does."""
        ended = [seq for seq in seqs if seq in self._held and not self._waits(seq)]
        if ended:
            events = [self._held.pop(seq) for seq in ended]
            self._finish(events, data_size(map(_DATA, events)))

    def hold(self, event: KeptEvent) -> None:
        """A delivery of it waits again."""
        if event[0] not in self.outbox:
            self._held[event[0]] = event

    def unfinished(self, seq: int) -> KeptEvent:
        """In the outbox, or with something that waits."""
        return self.outbox.get(seq) or self._held[seq]

    def kept(self) -> Mapping[int, KeptEvent]:
        """All that is here, the outbox last."""
        parts: list[MutableMapping[int, KeptEvent]] = [self.outbox, self._held]
        parts.append({event[0]: event for events, _ in self._finished for event in events})
        return ChainMap(*parts)

    def forget(self, root: str) -> int:
        """Those of the root that are over; answers how many."""
        finished = [event for events, _ in self._finished for event in events]
        self._finished.clear()
        self._finished_count = self._finished_bytes = 0
        left = [event for event in finished if _ROOT(event) != root]
        self._finish(left, data_size(map(_DATA, left)))
        return len({event[0] for event in finished if _ROOT(event) == root} - self._held.keys())

    def _finish(self, events: list[KeptEvent], size: int) -> None:
        """The last of them are kept."""
        self._finished.append((events, size))
        self._finished_count += len(events)
        self._finished_bytes += size
        while self._finished and (
            self._finished_bytes > _DATA_BYTES
            or self._finished_count - len(self._finished[0][0]) >= FINISHED
        ):
            old, size = self._finished.popleft()
            self._finished_count -= len(old)
            self._finished_bytes -= size


def data_size(data: Iterable[bytes | None]) -> int:
    """Bytes of all that is there."""
    return sum(map(len, filter(None, data)))
