"""Spans and metrics for OpenTelemetry, and the trace that endpoints are told of."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import KEY, PATH, RECORDS
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from seen import wait_until

from webhooksub import DeliveryState, Dispatcher, StoreUnavailable, allow_all
from webhooksub.contrib.otel import event_context, instrument
from webhooksub.testing import Receiver

QUICK = {"retry_steps_ms": (50,), "retry_jitter": 0, "retry_max_retries": 1, "poll_ms": 30}
DELIVERED, DEAD = DeliveryState.DELIVERED, DeliveryState.DEAD


class Seen:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    def spans(self, name: str) -> list[ReadableSpan]:
        found = [s for s in self.exporter.get_finished_spans() if s.name == f"{name} webhooksub"]
        return sorted(found, key=lambda span: span.end_time or 0)

    def metrics(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        [resource] = data.resource_metrics
        [scope] = resource.scope_metrics
        return {metric.name: list(metric.data.data_points) for metric in scope.metrics}


@pytest.fixture
def seen() -> Iterator[Seen]:
    made = Seen()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


@pytest.fixture(params=["sqlite", "memory"])
def hooks(request: pytest.FixtureRequest, tmp_path: Path, seen: Seen) -> Iterator[Dispatcher]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'hooks.db'}"
    made = Dispatcher(url, authorizer=allow_all, dev=True, config=QUICK | {"traceparent": True})
    instrument(made, tracer_provider=seen.tracers, meter_provider=seen.meters)
    yield made
    made.close(grace=0)


def finish(hooks: Dispatcher) -> None:
    """Waits also for the end of what is retried, and until that is told."""
    hooks.flush(timeout=10)
    assert wait_until(lambda: all(d.state in (DELIVERED, DEAD) for d in hooks.deliveries()), 30)
    hooks.flush(timeout=10)


def test_each_attempt_is_a_span_in_the_trace_of_its_event(hooks: Dispatcher, seen: Seen) -> None:
    with Receiver() as receiver, hooks:
        info = hooks.subscribe(
            RECORDS,
            "any",
            receiver.url("/x?token=canary"),
            expires=timedelta(days=1),
            integrity_key=KEY,
        )
        receiver.script([503, 200])
        event = hooks.publish(PATH, "update", {"canary": 1})
        finish(hooks)
        first, second = seen.spans("deliver")
    for span in (first, second):
        assert span.kind is SpanKind.CLIENT
        assert span.context is not None and span.parent is not None
        assert format_trace_id(span.context.trace_id) == event.id.replace("-", "")
        assert span.parent.span_id == event_context(event.id).span_id
        assert (span.end_time or 0) > (span.start_time or 0)
        assert span.attributes is not None
        assert span.attributes["webhooksub.subscription.id"] == info.id
        assert "canary" not in span.to_json() and KEY not in span.to_json()
    assert first.attributes is not None and second.attributes is not None
    assert (first.status.status_code, first.attributes["http.response.status_code"]) == (
        StatusCode.ERROR,
        503,
    )
    assert (second.attributes["webhooksub.attempt"], second.attributes["webhooksub.state"]) == (
        2,
        "delivered",
    )
    assert second.status.is_ok


def test_publishing_is_a_span_of_its_caller_with_a_link_to_the_event(
    hooks: Dispatcher, seen: Seen
) -> None:
    tracer = seen.tracers.get_tracer("test")
    with hooks, tracer.start_as_current_span("a request") as caller:
        events = hooks.publish_many([(PATH, "update")] * 3)
    [span] = seen.spans("publish")
    assert span.kind is SpanKind.PRODUCER
    assert span.parent is not None
    assert span.parent.span_id == caller.get_span_context().span_id
    assert [link.context.trace_id for link in span.links] == [
        int(event.id.replace("-", ""), 16) for event in events
    ]


def test_an_endpoint_that_is_told_joins_the_event_s_trace(hooks: Dispatcher) -> None:
    with Receiver() as receiver, hooks:
        hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1))
        receiver.script([500])
        event = hooks.publish(PATH, "update")
        finish(hooks)
        sent = [request.headers["traceparent"] for request in receiver.requests]
    assert len(sent) == 2
    assert len(set(sent)) == 1
    got = TraceContextTextMapPropagator().extract({"traceparent": sent[0]})
    [span] = got.values()
    assert span.get_span_context() == event_context(event.id)


def test_no_endpoint_is_told_unless_that_was_asked_for(tmp_path: Path) -> None:
    made = Dispatcher.in_memory(authorizer=allow_all, dev=True)
    with Receiver() as receiver, made as hooks:
        hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1))
        hooks.publish(PATH, "update")
        hooks.flush(timeout=10)
        assert "traceparent" not in receiver.requests[0].headers


def test_what_happened_is_measured(hooks: Dispatcher, seen: Seen) -> None:
    with Receiver() as receiver, hooks:
        hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1))
        receiver.script([200, 500, 500])
        for _ in range(2):
            hooks.publish(PATH, "update")
            finish(hooks)
        found = seen.metrics()
    assert found["webhooksub.published"][0].value == 2
    counts = {
        point.attributes["webhooksub.outcome"]: point.count
        for point in found["webhooksub.attempt.duration"]
    }
    assert counts == {"success": 1, "http_error": 2}
    assert found["webhooksub.attempts"][0].value == 3
    assert found["webhooksub.dead_letters"][0].value == 1
    assert found["webhooksub.subscriptions"][0].value == 1


def test_a_store_that_does_not_answer_is_measured_by_nothing(
    hooks: Dispatcher, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(hooks._store, "stats", fail)
    assert "webhooksub.outbox_events" not in seen.metrics()
    monkeypatch.undo()
    assert seen.metrics()["webhooksub.outbox_events"][0].value == 0


def test_a_watcher_that_raises_harms_no_delivery(
    hooks: Dispatcher, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = hooks._watching.watcher

    def fail(*_: object) -> None:
        raise RuntimeError("no exporter")

    monkeypatch.setattr(watcher, "settled", fail)
    with Receiver() as receiver, hooks:
        hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1))
        hooks.publish(PATH, "update")
        assert hooks.flush(timeout=10).delivered == 1
    assert "watcher_raised" in [record.kind for record in caplog.records]


def test_nobody_looks_on_any_more_after_watch_none(hooks: Dispatcher, seen: Seen) -> None:
    hooks.watch(None)
    with hooks:
        hooks.publish(PATH, "update")
    assert seen.exporter.get_finished_spans() == ()
