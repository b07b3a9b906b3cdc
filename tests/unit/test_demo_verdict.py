"""The demo's judge: what it must not let pass."""

from pathlib import Path
from typing import Any

import pytest

from webhooksub import _core, catalogs
from webhooksub.config import Config
from webhooksub.demo.expect import notification_id
from webhooksub.demo.folder import Folder
from webhooksub.demo.run import PATIENCE_SECONDS, RETRY_STEPS_MS
from webhooksub.demo.verdict import StoreCounts, Verdict, judge

RECORD = "tenant/acme/sidedrawer/s1/record/r1"
EVENTS = [_core.uuid_text(_core.uuid7(n)) for n in (1, 2)]
HEARS, OTHER = (_core.uuid_text(_core.uuid7(n)) for n in (3, 4))


class Run:
    """Two events under acme; of two subscriptions the first hears both, the second neither."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self.folder.append(
            self.folder.subscriptions,
            [
                {"id": HEARS, "modification_type": "any", "resource": RECORD},
                {"id": OTHER, "modification_type": "any", "resource": "tenant/birch/sidedrawer"},
            ],
        )
        self.folder.append(
            self.folder.published,
            [{"id": event, "paths": [RECORD], "action": "update"} for event in EVENTS],
        )
        self.requests = 0

    def receive(self, event: str, subscription: str = HEARS, **fields: Any) -> None:
        self.requests += 1
        line = {
            "request": self.requests,
            "id": notification_id(event, subscription),
            "status": 204,
            "verified": True,
            "published": "2027-01-15T08:00:00.000Z",
            "received_ms": 1_800_000_000_000 + 1_000 * self.requests,
        }
        self.folder.append(self.folder.received, [line | fields])

    def judge(
        self, delivered: int, *, retried: int = 0, unanswered: int = 0, undisturbed: bool = True
    ) -> Verdict:
        store = StoreCounts(delivered, retried, unanswered, dead=0)
        return judge(
            self.folder, catalogs.SIDEDRAWER.rows, store, seconds=2.0, undisturbed=undisturbed
        )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def test_what_is_owed_and_arrived_is_fine(run: Run) -> None:
    run.receive(EVENTS[0], status=500)
    run.receive(EVENTS[0])
    run.receive(EVENTS[1])
    verdict = run.judge(2, retried=1)
    assert verdict.fine
    assert (verdict.published, verdict.matched, verdict.delivered, verdict.lost) == (2, 2, 2, 0)
    assert (verdict.posts, verdict.retried, verdict.verified) == (3, 1, 3)
    assert verdict.deliveries_per_second == 1.0
    assert verdict.latency_ms == {"p50": 3_000, "p99": 3_000}


@pytest.mark.parametrize("fields", [{"status": 500}, {"verified": False, "status": 401}])
def test_what_was_not_accepted_is_lost(run: Run, fields: dict[str, Any]) -> None:
    run.receive(EVENTS[0])
    run.receive(EVENTS[1], **fields)
    verdict = run.judge(1)
    assert (verdict.lost, verdict.lost_named) == (1, ((EVENTS[1], HEARS),))
    assert not verdict.fine


def test_a_store_that_says_otherwise_is_not_fine(run: Run) -> None:
    for event in EVENTS:
        run.receive(event)
    assert run.judge(2).fine
    assert not run.judge(3).fine
    assert not run.judge(2, retried=1).fine
    assert run.judge(2, retried=1, undisturbed=False).fine


@pytest.mark.parametrize("seen_of_the_unanswered", [0, 1, 2])
def test_an_attempt_without_an_answer_may_have_been_seen_or_not(
    run: Run, seen_of_the_unanswered: int
) -> None:
    for event in EVENTS[:seen_of_the_unanswered]:
        run.receive(event, status=500)
    for event in EVENTS:
        run.receive(event)
    assert run.judge(2, retried=2, unanswered=2).fine
    assert run.judge(2, retried=2, unanswered=1).fine == (seen_of_the_unanswered > 0)


@pytest.mark.parametrize("undisturbed", [True, False])
def test_what_nobody_is_owed_is_not_fine_though_both_ends_agree(
    run: Run, undisturbed: bool
) -> None:
    """Somebody heard what another tenant did."""
    for event in EVENTS:
        run.receive(event)
    run.receive(EVENTS[0], OTHER)
    verdict = run.judge(3, undisturbed=undisturbed)
    assert verdict.lost == 0
    assert verdict.disagreements == ("delivered: the receiver got 1 that nobody is owed",)
    assert not verdict.fine


def test_an_event_that_was_not_acknowledged_may_arrive_after_a_crash_only(run: Run) -> None:
    for event in EVENTS:
        run.receive(event)
    run.receive(_core.uuid_text(_core.uuid7(5)))
    assert run.judge(3, undisturbed=False).fine
    assert not run.judge(3).fine


def test_it_is_not_given_up_before_what_is_waited_for_can_happen() -> None:
    pauses = (*RETRY_STEPS_MS, Config().delivery.breaker_open_ms, Config().dispatcher.lease_ms)
    assert max(pauses) * 1.5 < PATIENCE_SECONDS * 1_000
