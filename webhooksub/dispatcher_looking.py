"""What a dispatcher tells of events, and deletes or delivers again."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from .authorizer import Root, format_root
from .events import Attempt, Delivery, Explanation, RotatedKeys, StoredEvent
from .explaining import Explaining
from .feed import SubscriptionFeed
from .looking import Looking
from .notebook import Listing
from .paging import Page, Paging
from .store.base import Store


class DispatcherLooking:
    """The part of the dispatcher's face that looks back."""

    _store: Store
    _looking: Looking
    _explaining: Explaining
    _paging: Paging
    _feed: SubscriptionFeed | None

    def deliveries(self, *, actor: Any = None, **filters: Any) -> Listing[Delivery]:
        """Newest first; by subscription, event, state, since, until, limit."""
        return self._looking.deliveries(actor, **filters)

    def event(self, id_: str, *, actor: Any = None) -> StoredEvent:
        """One event, with its data. Raises NotFound."""
        return self._looking.stored_event(id_, actor)

    def event_page(self, *, actor: Any = None, **filters: Any) -> Page[StoredEvent]:
        """Newest first; by root (``"tenant/t1"``), action, since, until, cursor, limit."""
        return self._paging.events(actor, **filters)

    def delivery_page(
        self, subscription: str | None = None, *, actor: Any = None, **filters: Any
    ) -> Page[Delivery]:
        """Newest first, of one subscription or of all that `actor` may see; by event, state,
        since, until, cursor, limit."""
        return self._paging.deliveries(subscription, actor, **filters)

    def attempts(self, event: str, subscription: str, *, actor: Any = None) -> Listing[Attempt]:
        """The failed attempts of one delivery, and those after a failed one, in order."""
        return self._looking.attempts(event, subscription, actor)

    def replay(
        self,
        *,
        subscription: str | None = None,
        event: str | None = None,
        state: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        actor: Any = None,
    ) -> int:
        """Delivers again; answers how many deliveries.

        With `event` and `subscription` one delivery; with `state` those in it; with `since`
        one subscription's events of that time are matched anew, also those it missed.
        """
        self._check_usable()
        count = self._looking.replay(subscription, event, state, since, until, actor)
        self.wake()
        return count

    def explain(
        self,
        path: str | Sequence[str] | None = None,
        action: str | None = None,
        *,
        subscription: str | None = None,
        event: str | None = None,
        actor: Any = None,
    ) -> Listing[Explanation]:
        """Why the subscriptions under this path's root hear, or don't hear, a change.

        `event`: why they got, or did not get, that one; it says path and action itself.
        """
        return self._explaining.explain(path, action, subscription, event, actor)

    def prune(self, older_than: datetime, progress: Any = None) -> dict[str, int]:
        """Deletes what ended before `older_than`; what still waits is kept."""
        self._check_usable()
        return self._looking.prune(older_than, progress)

    def purge(self, root: Root | str, progress: Any = None) -> dict[str, int]:
        """Deletes all of one root, as ``("tenant", "t1")``: its subscriptions, which hear
        nothing more, its events and what became of them. Answers how many of each."""
        self._check_usable()
        text = root if isinstance(root, str) else format_root(root)
        deleted = self._store.purge(text, progress=progress)
        if self._feed is not None:
            self._feed.catch_up()
        return deleted

    def rotate_keys(self, progress: Callable[[int, int], None] | None = None) -> RotatedKeys:
        """Seals every integrity key in the store by the keyring's first key, while others work.

        Done again after an interruption it goes on. Raises ConfigurationError without a keyring.
        """
        self._check_usable()
        return self._store.rotate_keys(progress)

    def wake(self) -> None:
        raise NotImplementedError

    def _check_usable(self) -> None:
        raise NotImplementedError
