"""What a dispatcher does, as metrics for Prometheus (extra ``prometheus``)::

    from prometheus_client import REGISTRY
    from webhooksub.contrib.prometheus import WebhooksubCollector

    REGISTRY.register(WebhooksubCollector(hooks))

The engine's numbers are read where they are, the store's by counts over partial indexes, which
cost what waits and not what was ever delivered; they are asked for at most every `max_age`
seconds, however often somebody scrapes. No metric has a label with the name of a tenant, a
subscription or an endpoint.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..dispatcher import Dispatcher
from ..errors import Closed, StoreUnavailable


@dataclass(frozen=True, slots=True)
class Described:
    """A metric, and the number of a dispatcher that it shows, in `scale` of its unit."""

    name: str
    key: str
    kind: Literal["counter", "gauge"]
    text: str
    scale: float = 1


#: Of this process' engine: absent while it does not deliver.
ENGINE = (
    Described("webhooksub_attempts_total", "attempts", "counter", "Attempts that ended."),
    Described("webhooksub_delivered_total", "delivered", "counter", "Notifications delivered."),
    Described("webhooksub_retries_total", "retried", "counter", "Deliveries to be tried again."),
    Described("webhooksub_dead_total", "dead", "counter", "Deliveries that ran out of retries."),
    Described("webhooksub_spilled_total", "spilled", "counter", "Deliveries that had to wait."),
    Described("webhooksub_expired_total", "expired", "counter", "Deliveries too late to start."),
    Described("webhooksub_cancelled_total", "cancelled", "counter", "Deliveries unsubscribed."),
    Described("webhooksub_lease_stops_total", "lease_stops", "counter", "Stops for the lease."),
    Described("webhooksub_queued", "queued", "gauge", "Deliveries in memory, not started."),
    Described("webhooksub_queued_bytes", "queued_bytes", "gauge", "Bytes of what is queued."),
    Described("webhooksub_in_flight", "in_flight", "gauge", "Attempts under way."),
    Described("webhooksub_unsettled", "unsettled", "gauge", "Attempts not yet written down."),
    Described("webhooksub_origins_blocked", "origins_blocked", "gauge", "Breakers that are open."),
    Described("webhooksub_unresolved", "unresolved", "gauge", "Events of no path in the catalog."),
)
#: Of the store: every process that shows them shows the same.
STORE = (
    Described("webhooksub_outbox_events", "outbox", "gauge", "Events not yet fanned out."),
    Described(
        "webhooksub_outbox_age_seconds",
        "outbox_age_ms",
        "gauge",
        "Age of the oldest of them.",
        0.001,
    ),
    Described("webhooksub_waiting", "waiting", "gauge", "Deliveries that wait for later."),
    Described("webhooksub_claimed", "claimed", "gauge", "Waiting deliveries taken up again."),
    Described("webhooksub_dead_letters", "dead", "gauge", "Dead letters that are kept."),
    Described("webhooksub_quarantined", "quarantined", "gauge", "Events set aside."),
    Described("webhooksub_subscriptions", "subscriptions", "gauge", "Subscriptions."),
    Described("webhooksub_dispatchers", "dispatchers_alive", "gauge", "Dispatchers alive."),
)
#: Of this process whatever it does.
OWN = (
    Described("webhooksub_delivering", "", "gauge", "1: this process delivers."),
    Described("webhooksub_store_up", "", "gauge", "1: the store answered."),
)


class WebhooksubCollector(Collector):
    """Of one dispatcher or publisher. Any thread; scraping waits for the store alone."""

    def __init__(
        self,
        hooks: Dispatcher,
        *,
        max_age: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hooks, self._max_age, self._clock = hooks, max_age, clock
        self._lock = threading.Lock()
        self._counts: dict[str, int] | None = None
        self._counted_at: float | None = None

    def collect(self) -> Iterator[Metric]:
        delivering, up = OWN
        counters = self._hooks.counters()
        yield _family(delivering, int(bool(counters)))
        for described in ENGINE if counters else ():
            yield _family(described, counters[described.key])
        counts = self._store_counts()
        yield _family(up, int(counts is not None))
        for described in STORE if counts is not None else ():
            yield _family(described, counts[described.key] if counts else 0)

    def describe(self) -> Iterator[Metric]:
        """Registering asks nobody."""
        for described in (*OWN, *ENGINE, *STORE):
            yield _family(described, None)

    def _store_counts(self) -> dict[str, int] | None:
        with self._lock:
            now = self._clock()
            if self._counted_at is None or now - self._counted_at >= self._max_age:
                self._counted_at = now
                try:
                    self._counts = self._hooks.counts()
                except (StoreUnavailable, Closed):
                    self._counts = None
            return self._counts


def _family(described: Described, value: int | None) -> Metric:
    families = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
    base = described.name.removesuffix("_total")
    family: Metric = families[described.kind](base, described.text)
    if value is not None:
        family.add_sample(described.name, {}, value * described.scale)
    return family
