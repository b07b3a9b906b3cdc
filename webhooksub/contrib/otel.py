"""Spans and metrics for OpenTelemetry, by its API alone (extra ``otel``)::

    from webhooksub.contrib.otel import instrument

    instrument(hooks)

The trace of an event has the event's id, so that whoever delivers it, in whichever process and
after whatever crash, adds to the same one: a span for each attempt. The span of publishing
stays in the trace of its caller, with a link to the event's. With the setting ``traceparent``
endpoints are told of the event's trace, and their spans stand beside the attempts.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager

from opentelemetry import context, metrics, trace
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from .. import _core
from ..dispatcher import Dispatcher
from ..errors import Closed, StoreUnavailable
from ..events import DeliveryState, Outcome, to_ms
from ..metrics import ENGINE, STORE, Described
from ..version import __version__
from ..watching import Settled

_NAME = "webhooksub"
# Links of one span: more of a large batch than anybody would follow.
_LINKS_MAX = 100
_NS = 1_000_000  # of a millisecond

Numbers = Callable[[], dict[str, int]]


def instrument(
    hooks: Dispatcher,
    *,
    tracer_provider: trace.TracerProvider | None = None,
    meter_provider: metrics.MeterProvider | None = None,
) -> None:
    """From now on; :meth:`Dispatcher.watch` ends the spans. The providers that were set for the
    process where none are given."""
    meter = metrics.get_meter(_NAME, __version__, meter_provider=meter_provider)
    hooks.watch(_Tracing(trace.get_tracer(_NAME, __version__, tracer_provider), meter))
    _observe(meter, ENGINE, hooks.counters)
    _observe(meter, STORE, hooks.counts)


def event_context(event_id: str) -> SpanContext:
    """Of the event's trace, as the header ``traceparent`` names it."""
    _, trace_id, span_id, _ = _core.traceparent(_core.uuid_bytes(event_id)).split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1)
    )


class _Tracing:
    """A Watcher."""

    def __init__(self, tracer: trace.Tracer, meter: Meter) -> None:
        self._tracer = tracer
        self._published = meter.create_counter(
            "webhooksub.published", "{event}", "Events published."
        )
        self._duration = meter.create_histogram(
            "webhooksub.attempt.duration", "s", "How long attempts took, by their outcome."
        )

    def publishing(self, event_ids: Sequence[str]) -> AbstractContextManager[object]:
        self._published.add(len(event_ids))
        return self._tracer.start_as_current_span(
            "publish webhooksub",
            kind=SpanKind.PRODUCER,
            attributes={
                "messaging.system": _NAME,
                "messaging.operation.name": "publish",
                "messaging.batch.message_count": len(event_ids),
            },
            links=[Link(event_context(id_)) for id_ in event_ids[:_LINKS_MAX]],
        )

    def settled(self, deliveries: Sequence[Settled]) -> None:
        for delivery in deliveries:
            outcome = delivery.outcome.name.lower()
            self._duration.record(delivery.duration_ms / 1_000, {"webhooksub.outcome": outcome})
            self._add_span(delivery, outcome)

    def _add_span(self, delivery: Settled, outcome: str) -> None:
        """It has ended already: both its times are given."""
        ended = to_ms(delivery.ended_at)
        above = trace.set_span_in_context(
            NonRecordingSpan(event_context(delivery.event_id)), context.Context()
        )
        attributes: dict[str, str | int] = {
            "messaging.system": _NAME,
            "messaging.operation.name": "deliver",
            "webhooksub.event.id": delivery.event_id,
            "webhooksub.subscription.id": delivery.subscription_id,
            "webhooksub.attempt": delivery.attempts,
            "webhooksub.outcome": outcome,
            "webhooksub.state": delivery.state.name.lower(),
        }
        if delivery.http_status is not None:
            attributes["http.response.status_code"] = delivery.http_status
        span = self._tracer.start_span(
            "deliver webhooksub",
            above,
            SpanKind.CLIENT,
            attributes,
            start_time=(ended - delivery.duration_ms) * _NS,
        )
        if delivery.outcome is not Outcome.SUCCESS:
            span.set_status(Status(StatusCode.ERROR, outcome))
        if delivery.state is DeliveryState.DEAD:
            span.add_event("dead letter", timestamp=ended * _NS)
        span.end(ended * _NS)


def _observe(meter: Meter, described: Sequence[Described], numbers: Numbers) -> None:
    for one in described:
        name = one.name.removesuffix("_total").replace("webhooksub_", "webhooksub.", 1)
        if one.kind == "counter":
            meter.create_observable_counter(name, [_callback(one, numbers)], "1", one.text)
        else:
            unit = "s" if one.name.endswith("_seconds") else "1"
            meter.create_observable_gauge(name, [_callback(one, numbers)], unit, one.text)


def _callback(
    one: Described, numbers: Numbers
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        try:
            found = numbers()
        except (StoreUnavailable, Closed):
            return []
        return [Observation(found[one.key] * one.scale)] if one.key in found else []

    return observe
