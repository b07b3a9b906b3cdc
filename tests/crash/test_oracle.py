"""The judge of ``make crash`` sees what it is there to see."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from databases import SqliteFile
from oracle import (
    Receipt,
    Rows,
    Verdict,
    judge,
    read_acknowledged,
    read_receipts,
    read_rows,
)

from webhooksub import Dispatcher, allow_all
from webhooksub.testing import Receiver

ONE, TWO = "a" * 32, "b" * 32
KILLED = [100, 200]

Judged = Callable[..., Verdict]


def came(at: int, n: int = 1, to: str = ONE, *, status: int = 204, id_: str = "") -> Receipt:
    return Receipt(at, status, (n, to), id_ or f"{n}-{to}")


@pytest.fixture
def judged() -> Judged:
    """Of event 1, acknowledged, for two subscriptions; the file has the event and no more."""

    def judge_it(*receipts: Receipt, window: int = 9, **rows: set) -> Verdict:  # type: ignore[type-arg]
        file = Rows(**({"subscriptions": {"s1": [ONE, TWO]}, "events": {1}} | rows))  # type: ignore[arg-type]
        return judge({1: "s1"}, receipts, file, KILLED, window)

    return judge_it


def test_what_every_subscription_received_is_delivered(judged: Judged) -> None:
    verdict = judged(came(1), came(2, to=TWO))
    assert (verdict.acknowledged, verdict.expected, verdict.delivered) == (1, 2, 2)
    assert not verdict.lost and not verdict.wrong


def test_what_one_subscription_did_not_receive_is_lost(judged: Judged) -> None:
    assert judged(came(1)).lost == [(1, TWO)]


def test_what_was_refused_and_is_seen_nowhere_is_lost(judged: Judged) -> None:
    assert judged(came(1), came(2, to=TWO, status=500)).lost == [(1, TWO)]


def test_what_waits_or_has_ended_otherwise_is_seen(judged: Judged) -> None:
    verdict = judged(came(1), ended={(1, TWO)})
    assert (verdict.delivered, verdict.visible, verdict.lost) == (1, 1, [])
    assert judged(queued={1}).visible == 2


def test_a_dead_letter_may_have_been_pruned(judged: Judged) -> None:
    refused = (came(1), came(2, to=TWO, status=500))
    assert judged(*refused, events=set()).lost == []
    assert judged(came(1), events=set()).lost == [(1, TWO)], "of it nobody ever heard"


def test_twice_with_a_kill_between_is_counted_on_that_kill(judged: Judged) -> None:
    verdict = judged(came(1), came(150), came(50, to=TWO), came(60, to=TWO, status=503))
    assert (verdict.duplicated, verdict.most_duplicated, verdict.wrong) == (1, 1, [])


def test_twice_without_a_kill_between_is_wrong(judged: Judged) -> None:
    [wrong] = judged(came(1), came(2), came(3, to=TWO)).wrong
    assert "no kill lay between" in wrong


def test_of_who_is_resumed_what_was_leaving_may_arrive() -> None:
    rows = Rows(subscriptions={"s1": [ONE, TWO]}, events={1})
    receipts = (came(1), came(6, to=TWO), came(8), came(9, to=TWO))
    for leaving, wrong in ((2, 0), (1, 2)):
        verdict = judge({1: "s1"}, receipts, rows, KILLED, 9, [(5, 20)], leaving)
        assert len(verdict.wrong) == wrong
    assert len(judge({1: "s1"}, receipts, rows, KILLED, 9, [(10, 20)], 2).wrong) == 2


def test_again_after_a_failure_is_no_duplicate(judged: Judged) -> None:
    verdict = judged(came(1, status=503), came(2), came(3, to=TWO))
    assert (verdict.duplicated, verdict.wrong) == (0, [])


def test_more_than_the_window_is_wrong(judged: Judged) -> None:
    both = (came(1), came(150), came(1, to=TWO), came(150, to=TWO))
    assert judged(*both, window=2).wrong == []
    [wrong] = judged(*both, window=1).wrong
    assert "repeated 2 notifications, 1 may be" in wrong


def test_another_id_is_wrong(judged: Judged) -> None:
    verdict = judged(came(1), came(150, id_="other"), came(3, to=TWO))
    assert verdict.wrong == ["event 1 came with several ids"]


def test_a_damaged_file_is_wrong(judged: Judged) -> None:
    assert judged(came(1), came(2, to=TWO), damage=["row 7 missing"]).wrong  # type: ignore[arg-type]


def test_the_logs_are_read_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "acknowledged").write_text("1 s1\n2 s1\n")
    assert read_acknowledged(tmp_path / "acknowledged") == {1: "s1", 2: "s1"}
    assert read_acknowledged(tmp_path / "absent") == {}
    (tmp_path / "receipts").write_text("5 204 1 aaaa-aa msg_1\n")
    assert read_receipts(tmp_path / "receipts") == [Receipt(5, 204, (1, "aaaaaa"), "msg_1")]


def test_the_file_is_read_as_a_dispatcher_writes_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    with Receiver() as receiver, Dispatcher(url, authorizer=allow_all, dev=True) as hooks:
        receiver.script([204, 500])
        info = hooks.subscribe(
            "tenant/acme/sidedrawer/s1/record",
            "any",
            receiver.url("/hook"),
            expires=timedelta(days=1),
            max_retries=0,
        )
        for n in (1, 2):
            hooks.publish("tenant/acme/sidedrawer/s1/record/r1", "update", {"n": n})
            hooks.flush(timeout=10)
        hooks.pause(info.id)
    publisher = Dispatcher(url, authorizer=allow_all)
    with pytest.warns(RuntimeWarning, match="no dispatcher"):
        publisher.publish("tenant/acme/sidedrawer/s1/record/r1", "update", {"n": 3})
    publisher.close()
    rows = read_rows(SqliteFile(tmp_path / "hooks.db"))
    [subscription] = rows.subscriptions["s1"]
    assert subscription == info.id.replace("-", "")
    assert (rows.events, rows.queued, rows.damage) == ({1, 2, 3}, {3}, [])
    assert rows.ended == {(2, subscription)}
