"""Which numbers of a dispatcher are metrics: one list, for Prometheus and OpenTelemetry."""

from dataclasses import dataclass
from typing import Literal


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
