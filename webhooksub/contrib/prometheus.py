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

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..dispatcher import Dispatcher
from ..errors import Closed, StoreUnavailable
from ..metrics import ENGINE, OWN, STORE, Described


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
