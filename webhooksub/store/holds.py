"""Origins that are left alone, because the engine's breaker of theirs is open.

What waits for a held origin is not claimed: the engine would only give it back. When the
time is over one delivery is claimed, the *probe*; what becomes of it decides:

    free ──opened──▶ held until T ──T──▶ one probe claimed ──tried──▶ free
                          ▲                      │
                          └─────── opened ───────┘       (not tried: the next one is)

A store gives what it knows of reports to :meth:`learn`, within its lock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..events import Outcome

Key = tuple[int, int]  # (event seq, subscription seq)

#: Ends that leave a delivery waiting although nothing was tried.
NOT_BEGUN = (int(Outcome.SPILLED), int(Outcome.NOT_CONNECTED))

#: Later than any time: until a probe has come back.
NEVER = 1 << 62
# Remembered at once. The engine forgets as well: then an origin fails a few times more.
_HELD_MAX = 4_096
# Ends of a delivery that say nothing about its origin.
_UNTRIED = frozenset(
    int(outcome)
    for outcome in (
        Outcome.SPILLED,
        Outcome.EXPIRED,
        Outcome.CANCELLED,
        Outcome.DISABLED,
        Outcome.LOCAL_ERROR,
    )
)
# Places in a row of Reports.deliveries.
_OUTCOME = 8


@dataclass(slots=True)
class _Hold:
    until: int
    probe: Key | None = None


class Holds:
    """By the origin's seq."""

    def __init__(self) -> None:
        self._held: dict[int, _Hold] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def __contains__(self, origin: int) -> bool:
        return origin in self._held

    def until(self, origin: int) -> int:
        """Nothing of it is claimed before; 0: it is free."""
        hold = self._held.get(origin)
        return 0 if hold is None else hold.until

    def most(self, origin: int, most: int, now: int) -> int:
        """How many of `most` deliveries may be claimed now."""
        hold = self._held.get(origin)
        if hold is None:
            return most
        return 0 if hold.until > now else min(most, 1)

    def probe(self, origin: int, key: Key) -> None:
        """This one was claimed; of a free origin it is nothing special."""
        hold = self._held.get(origin)
        if hold is not None:
            hold.until, hold.probe = NEVER, key

    def learn(
        self,
        rows: Iterable[Sequence[Any]],
        news: Iterable[tuple[int, int | None]],
        now: int,
    ) -> set[int]:
        """What `rows` of reports and their ``origins()`` say; answers the origins for which
        another time holds now."""
        changed: set[int] = set()
        if any(hold.probe for hold in self._held.values()):
            changed = self._see_probes({row[:2]: row[_OUTCOME] for row in rows}, now)
        for origin, blocked_ms in news:
            if blocked_ms is not None:
                self._held[origin] = _Hold(now + blocked_ms)
            elif self._held.pop(origin, None) is None:
                continue
            changed.add(origin)
        self._bound(now)
        return changed

    def released(self, keys: Iterable[Key], now: int) -> set[int]:
        """These were claimed and given back: another one may be the probe."""
        return self._see_probes(dict.fromkeys(keys, Outcome.SPILLED), now)

    def free(self, origin: int) -> None:
        """Somebody is there: nothing of it is held."""
        self._held.pop(origin, None)

    def _see_probes(self, outcomes: dict[Any, int], now: int) -> set[int]:
        back = [o for o, hold in self._held.items() if hold.probe in outcomes]
        for origin in back:
            hold = self._held.pop(origin)
            if outcomes[hold.probe] in _UNTRIED:
                self._held[origin] = _Hold(now)
        return set(back)

    def _bound(self, now: int) -> None:
        if len(self._held) > _HELD_MAX:
            self._held = {o: hold for o, hold in self._held.items() if hold.until > now}
