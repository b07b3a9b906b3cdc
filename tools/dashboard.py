"""Writes the Grafana dashboard from the list below: ``python tools/dashboard.py``.

The file that it writes is in the repository, for whoever has no clone; a test compares them.
"""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent.parent / "webhooksub/contrib/grafana/webhooksub.json"
# (row title, ((panel title, unit, ((expression, legend), …)), …))
ROWS: tuple[tuple[str, tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...]], ...] = (
    (
        "Is it well?",
        (
            ("Dispatchers alive", "none", (("max(webhooksub_dispatchers)", "dispatchers"),)),
            ("Age of the oldest event", "s", (("max(webhooksub_outbox_age_seconds)", "age"),)),
            ("Dead letters", "none", (("max(webhooksub_dead_letters)", "dead letters"),)),
            ("Events set aside", "none", (("max(webhooksub_quarantined)", "quarantined"),)),
        ),
    ),
    (
        "Delivering",
        (
            (
                "Attempts and deliveries",
                "ops",
                (
                    ("sum(rate(webhooksub_attempts_total[$__rate_interval]))", "attempts"),
                    ("sum(rate(webhooksub_delivered_total[$__rate_interval]))", "delivered"),
                ),
            ),
            (
                "What did not work at once",
                "ops",
                (
                    ("sum(rate(webhooksub_retries_total[$__rate_interval]))", "to be retried"),
                    ("sum(rate(webhooksub_dead_total[$__rate_interval]))", "out of retries"),
                    ("sum(rate(webhooksub_spilled_total[$__rate_interval]))", "had to wait"),
                    ("sum(rate(webhooksub_expired_total[$__rate_interval]))", "too late"),
                    ("sum(rate(webhooksub_cancelled_total[$__rate_interval]))", "unsubscribed"),
                ),
            ),
        ),
    ),
    (
        "What waits",
        (
            (
                "In the store",
                "none",
                (
                    ("max(webhooksub_outbox_events)", "outbox"),
                    ("max(webhooksub_waiting)", "waiting"),
                    ("max(webhooksub_claimed)", "claimed"),
                ),
            ),
            (
                "In memory",
                "none",
                (
                    ("sum(webhooksub_queued)", "queued"),
                    ("sum(webhooksub_in_flight)", "in flight"),
                    ("sum(webhooksub_unsettled)", "not yet written"),
                ),
            ),
            ("Queued", "bytes", (("sum(webhooksub_queued_bytes)", "bytes"),)),
        ),
    ),
    (
        "Around it",
        (
            ("Origins left alone", "none", (("sum(webhooksub_origins_blocked)", "blocked"),)),
            ("Subscriptions", "none", (("max(webhooksub_subscriptions)", "subscriptions"),)),
            (
                "Processes",
                "none",
                (
                    ("sum(webhooksub_delivering)", "deliver"),
                    ("sum(webhooksub_store_up)", "reach the store"),
                ),
            ),
            (
                "Wrong",
                "none",
                (
                    ("sum(webhooksub_unresolved)", "events of no known path"),
                    ("sum(increase(webhooksub_lease_stops_total[1h]))", "stops for the lease, 1 h"),
                ),
            ),
        ),
    ),
)
_COLUMNS, _HEIGHT = 24, 8
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard() -> dict[str, Any]:
    panels: list[dict[str, Any]] = []
    top = 0
    for title, row in ROWS:
        place = {"h": 1, "w": _COLUMNS, "x": 0, "y": top}
        panels.append({"type": "row", "title": title, "gridPos": place, "panels": []})
        width = _COLUMNS // len(row)
        for n, (name, unit, targets) in enumerate(row):
            place = {"h": _HEIGHT, "w": width, "x": n * width, "y": top + 1}
            panels.append(_panel(name, unit, targets, place))
        top += 1 + _HEIGHT
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "title": "webhooksub",
        "uid": "webhooksub",
        "schemaVersion": 39,
        "tags": ["webhooksub"],
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [_variable("datasource", "Prometheus"), _jobs()]},
        "panels": panels,
    }


def _panel(
    title: str, unit: str, targets: tuple[tuple[str, str], ...], place: dict[str, int]
) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}},
        "targets": [
            {"refId": chr(ord("A") + n), "expr": _of_job(expression), "legendFormat": legend}
            for n, (expression, legend) in enumerate(targets)
        ],
    }


def _of_job(expression: str) -> str:
    """The metric's name ends before a bracket."""
    start = expression.index("webhooksub_")
    end = next(n for n in range(start, len(expression)) if expression[n] in "[)")
    return f'{expression[:end]}{{job=~"$job"}}{expression[end:]}'


def _variable(name: str, label: str) -> dict[str, Any]:
    return {"type": "datasource", "name": name, "label": label, "query": "prometheus"}


def _jobs() -> dict[str, Any]:
    query = "label_values(webhooksub_delivering, job)"
    return {
        "type": "query",
        "name": "job",
        "label": "Job",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": "job"},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


def text() -> str:
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
