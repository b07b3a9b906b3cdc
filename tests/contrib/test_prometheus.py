"""Metrics for Prometheus, and the dashboard that shows them."""

import json
import re
import sqlite3
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import dashboard
import pytest
import sqlalchemy
from acme import PATH, RECORDS
from commands import options_to_reach, webhooksub
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from seen import wait_until

from webhooksub import DeliveryState, Dispatcher, StoreUnavailable, allow_all
from webhooksub.contrib.prometheus import WebhooksubCollector
from webhooksub.metrics import ENGINE, OWN, STORE
from webhooksub.testing import Receiver

BOARD = files("webhooksub").joinpath("contrib/grafana/webhooksub.json")
QUICK = {"retry_steps_ms": (50,), "retry_jitter": 0, "retry_max_retries": 1, "poll_ms": 30}
DELIVERED, DEAD = DeliveryState.DELIVERED, DeliveryState.DEAD


@pytest.fixture
def hooks(tmp_path: Path) -> Iterator[Dispatcher]:
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    made = Dispatcher(url, authorizer=allow_all, dev=True, config=QUICK)
    yield made
    made.close(grace=0)


def samples(text: str) -> dict[str, float]:
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    found = [sample for family in families for sample in family.samples]
    assert all(sample.labels == {} for sample in found)
    return {sample.name: sample.value for sample in found}


def scrape(hooks: Dispatcher, **options: Any) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(WebhooksubCollector(hooks, **options))
    return samples(generate_latest(registry).decode())


def test_what_happened_is_counted(hooks: Dispatcher) -> None:
    with Receiver() as receiver, hooks:
        hooks.subscribe(RECORDS, "any", receiver.url(), expires=timedelta(days=1))
        receiver.script([200, 500, 200, 500, 500])
        for _ in range(3):
            hooks.publish(PATH, "update")
            hooks.flush(timeout=10)
            assert wait_until(
                lambda: all(d.state in (DELIVERED, DEAD) for d in hooks.deliveries()), 30
            )
            hooks.flush(timeout=10)
        found = scrape(hooks)
    assert found["webhooksub_attempts_total"] == 5
    assert found["webhooksub_delivered_total"] == 2
    assert found["webhooksub_retries_total"] == 2
    assert found["webhooksub_dead_total"] == found["webhooksub_dead_letters"] == 1
    assert found["webhooksub_subscriptions"] == 1
    assert found["webhooksub_dispatchers"] == found["webhooksub_delivering"] == 1
    assert found["webhooksub_outbox_events"] == found["webhooksub_queued"] == 0


def test_a_publisher_shows_the_store_alone(hooks: Dispatcher) -> None:
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        hooks.publish(PATH, "update")
    found = scrape(hooks)
    assert (found["webhooksub_delivering"], found["webhooksub_store_up"]) == (0, 1)
    assert found["webhooksub_outbox_events"] == 1
    assert 0 <= found["webhooksub_outbox_age_seconds"] < 60
    assert "webhooksub_attempts_total" not in found


def test_every_metric_of_the_list_is_exported_under_its_name(hooks: Dispatcher) -> None:
    with hooks:
        found = set(scrape(hooks))
    assert found == {described.name for described in (*OWN, *ENGINE, *STORE)}
    counters = {d.name for d in (*OWN, *ENGINE, *STORE) if d.kind == "counter"}
    assert {name for name in found if name.endswith("_total")} == counters


def test_a_store_that_does_not_answer_is_down_and_the_rest_is_shown(
    hooks: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StoreUnavailable("the disk is full")

    with hooks:
        monkeypatch.setattr(hooks._store, "stats", fail)
        found = scrape(hooks)
        monkeypatch.undo()
    assert (found["webhooksub_store_up"], found["webhooksub_delivering"]) == (0, 1)
    assert "webhooksub_attempts_total" in found
    assert "webhooksub_outbox_events" not in found


def test_the_store_is_asked_at_most_every_max_age(
    hooks: Dispatcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    now = [100.0]
    count = hooks._store.stats
    monkeypatch.setattr(hooks._store, "stats", lambda: asked.append(1) or count())
    registry = CollectorRegistry()
    registry.register(WebhooksubCollector(hooks, max_age=5, clock=lambda: now[0]))
    assert asked == []  # registering asks nobody
    for at in (100.0, 104.9, 105.0, 106.0, 110.0):
        now[0] = at
        generate_latest(registry)
    assert len(asked) == 3


def test_counting_walks_over_nothing_that_was_delivered(hooks: Dispatcher, tmp_path: Path) -> None:
    """By the plans that SQLite makes for what the collector asks."""
    asked: list[tuple[str, Any]] = []

    def hear(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", hear)
    hooks.counts()
    sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", hear)
    selects = [one for one in asked if one[0].startswith("SELECT")]
    assert len(selects) >= 7
    plain = sqlite3.connect(tmp_path / "hooks.db")
    for statement, parameters in selects:
        for *_, step in plain.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
            walks = re.match(r"SCAN webhooksub_(delivery|event|attempt)\b", step)
            partial = re.search(r"INDEX webhooksub_delivery_(due|claimed|dead)\b", step)
            assert not walks or partial, f"{step}: {statement}"
    plain.close()


def test_the_document_lists_every_metric() -> None:
    text = (Path(__file__).parents[2] / "docs/observability.md").read_text(encoding="utf-8")
    for described in (*OWN, *ENGINE, *STORE):
        row = rf"^\| `{described.name}` \| .* \| {re.escape(described.text)} \|$"
        assert re.search(row, text, re.M)


# --- the dashboard -------------------------------------------------------------------


def metrics_shown(board: dict[str, Any]) -> set[str]:
    expressions = [t["expr"] for panel in board["panels"] for t in panel.get("targets", [])]
    assert expressions
    return {name for e in expressions for name in re.findall(r"\bwebhooksub_\w+", e)}


def test_the_dashboard_shows_what_is_exported_and_all_of_it() -> None:
    exported = {described.name for described in (*OWN, *ENGINE, *STORE)}
    assert metrics_shown(json.loads(BOARD.read_text())) == exported


def test_a_counter_is_shown_by_its_rate_and_a_gauge_as_it_is() -> None:
    board = json.loads(BOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            over_time = re.search(r"\b(rate|increase)\(", target["expr"]) is not None
            assert over_time == ("_total{" in target["expr"]), target["expr"]


def test_the_file_is_what_the_list_makes_and_its_panels_stand_apart() -> None:
    assert BOARD.read_text(encoding="utf-8") == dashboard.text()
    board = json.loads(dashboard.text())
    taken = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


# --- as a process --------------------------------------------------------------------


def test_a_worker_answers_a_scraper_beside_its_health(tmp_path: Path) -> None:
    with Receiver() as receiver:
        reach = options_to_reach(receiver, tmp_path)
        command = ("worker", "--health", "127.0.0.1:0", *reach)
        with webhooksub(*command, folder=tmp_path) as process:
            at = process.wait_to_say(r"health at (http://\S+)/readyz")[1]
            process.wait_to_say("delivering from")
            with urllib.request.urlopen(f"{at}/metrics", timeout=10) as answer:
                kind, text = answer.headers["content-type"], answer.read().decode()
            assert process.end() == 0
    assert kind.startswith("text/plain")
    found = samples(text)
    assert (found["webhooksub_delivering"], found["webhooksub_store_up"]) == (1, 1)
