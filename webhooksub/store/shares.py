"""How many waiting deliveries of one subscription are claimed at once: as many as start soon.

What the engine cannot start soon it gives back (it *spills* it), and claiming that again
and again is work for nothing, which everybody else would feel. So a subscription's share
is halved when something of it came back untried, and doubled when it was tried:

    spilled ──▶ share ÷ 2, at least 1          tried ──▶ share × 2, at most SHARE_MAX

A store gives what it knows of claims and reports to this, within its lock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

#: Claimed and not settled; a batch has fewer.
SHARE_MAX = 1_024

#: What :meth:`webhooksub._core.Reports.claimed` gives: event seq, subscription seq, spilled.
Returned = tuple[int, int, bool]


class Shares:
    """By the subscription's seq."""

    def __init__(self) -> None:
        self._out: Counter[int] = Counter()
        self._share: dict[int, int] = {}  # where it is less than SHARE_MAX

    def left(self, sub: int) -> int:
        """So many more may be claimed."""
        return max(0, self._share.get(sub, SHARE_MAX) - self._out[sub])

    def took(self, counts: Mapping[int, int]) -> None:
        """So many were claimed."""
        self._out.update(counts)

    def learn(self, returned: Iterable[Returned]) -> set[int]:
        """These were settled; answers those of which more may be claimed."""
        came, spilled = Counter[int](), set[int]()
        for _, sub, untried in returned:
            came[sub] += 1
            if untried:
                spilled.add(sub)
        for sub in came:
            share, out = self._share.get(sub, SHARE_MAX), self._out[sub]
            share = max(1, min(share, out) // 2) if sub in spilled else share * 2
            if share < SHARE_MAX:
                self._share[sub] = share
            else:
                self._share.pop(sub, None)
        return self.back(came)

    def back(self, counts: Mapping[int, int]) -> set[int]:
        """So many are claimed no more; answers those of which more may be claimed."""
        for sub, count in counts.items():
            if self._out[sub] > count:
                self._out[sub] -= count
            else:
                del self._out[sub]
        return {sub for sub in counts if self.left(sub)}

    def forget(self, sub: int) -> None:
        """Nothing of it waits apart from others."""
        if sub not in self._out:
            self._share.pop(sub, None)
