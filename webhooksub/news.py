"""Which subscriptions have news for their endpoints, and whose end comes near.

Whoever delivers calls this on its thread, between two turns. What endpoints hear is
:mod:`webhooksub.lifecycle`'s; the operator hears of ends that come near in any case.
"""

from collections.abc import Callable, Iterable, Sequence

from . import _core
from .config import SubscriptionConfig
from .events import (
    OperatorEvent,
    Outcome,
    SubscriptionStatus,
    format_moment,
    from_ms,
    public_reason,
)
from .lifecycle import Lifecycle
from .store.base import Store, SubscriptionRecord

#: How often ends that come near are looked for.
_LOOK_AHEAD_MS = 60_000
_PAGE = 500
#: An endpoint hears of what it missed so often at most: it misses most while it fails.
_MISSED_MS = 3_600_000
#: Subscriptions whose missed deliveries are counted; of more the operator alone hears.
_MISSED_MAX = 10_000
#: In the meta table: ends up to this moment were told.
TOLD_UNTIL = "expiring_told_until"


class News:
    """What is told already is remembered here, of ends also in the store."""

    def __init__(
        self,
        store: Store,
        config: SubscriptionConfig,
        clock: Callable[[], int],
        lifecycle: Lifecycle,
        tell: Callable[[OperatorEvent], None],
    ) -> None:
        self._store, self._config, self._clock = store, config, clock
        self._lifecycle, self._tell = lifecycle, tell
        self._look_at = 0
        self._missed: dict[int, tuple[int, int]] = {}  # by seq: (deliveries, told at)

    def of_subscriptions(self, changes: Sequence[tuple[int, str, int]]) -> None:
        """Rows of :meth:`_core.Reports.subscriptions`. Who said that it is gone is left alone."""
        ended = {
            seq: Outcome(outcome).name.lower()
            for seq, change, outcome in changes
            if change == "disabled" and outcome != Outcome.GONE
        }
        if ended and self._lifecycle.wants("disabled"):
            for record in self._numbered(ended):
                reason = public_reason(ended[record.seq])
                self._lifecycle.put("disabled", record, {"reason": reason})

    def of_lost_access(self, record: SubscriptionRecord, reason: str) -> None:
        """It was disabled by us."""
        self._lifecycle.put("disabled", record, {"reason": reason})

    def of_dead(self, dead: Sequence[tuple[int, int]]) -> None:
        """What :meth:`_core.Reports.dead` gives."""
        if not self._lifecycle.wants("missed"):
            return
        for _, seq in dead:
            if seq in self._missed or len(self._missed) < _MISSED_MAX:
                count, at = self._missed.get(seq, (0, 0))
                self._missed[seq] = (count + 1, at)
        self._tell_of_missed()

    def look_ahead(self) -> None:
        """Now and then: whose end comes near, who missed something since it was told."""
        now = self._clock()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_AHEAD_MS
        self._tell_of_missed()
        if self._config.expiring_notice_ms:
            self._tell_of_ends(now + self._config.expiring_notice_ms)

    def _tell_of_ends(self, until: int) -> None:
        """Each end once, also over restarts; once more where a crash came between."""
        told = max(self._store.mark(TOLD_UNTIL), self._clock())
        if until <= told:
            return
        after = 0
        while page := self._store.subscriptions(
            roots=None,
            status=int(SubscriptionStatus.ACTIVE),
            expires_after=told,
            expires_by=until,
            after=after,
            limit=_PAGE,
        ):
            after = page[-1].seq
            for record in page:
                self._tell_of_end(record)
        self._store.set_mark(TOLD_UNTIL, until)

    def _tell_of_end(self, record: SubscriptionRecord) -> None:
        end = format_moment(from_ms(record.expires_at))
        facts = {"subscription_id": _core.uuid_text(record.id), "expires_at": end}
        self._tell(OperatorEvent("expiring", f"a subscription expires at {end}", facts))
        self._lifecycle.put("expiring", record, {"expirationDateTime": record.expires_text})

    def _tell_of_missed(self) -> None:
        now = self._clock()
        ripe = {s: n for s, (n, at) in self._missed.items() if now >= at + _MISSED_MS}
        for record in self._numbered(seq for seq, count in ripe.items() if count):
            self._lifecycle.put("missed", record, {"deliveries": ripe[record.seq]})
            self._missed[record.seq] = (0, now)
        for seq in [seq for seq, count in ripe.items() if not count]:
            del self._missed[seq]

    def _numbered(self, seqs: Iterable[int]) -> list[SubscriptionRecord]:
        """Those that were not deleted meanwhile."""
        wanted = list(seqs)
        found: list[SubscriptionRecord] = []
        for start in range(0, len(wanted), _PAGE):
            page = self._store.numbered(wanted[start : start + _PAGE])
            found += [record for record in page if record.deleted_at is None]
        return found
