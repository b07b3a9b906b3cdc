"""All of one root goes, nothing of others, and in parts that hold up nobody."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from webhooksub.events import DeliveryState
from webhooksub.store import Store

MINE, OTHERS = "tenant/acme", "tenant/globex"


def fill(store: Store, kit: Any, root: str, events: int) -> Any:
    """A subscription with a delivered, a failed and a queued event, at least."""
    sub = store.add_subscription(
        id=kit.id(),
        root=root,
        owner="ann@acme.example",
        resource=f"{root}/sidedrawer/s1/record",
        action=4,
        channel=1,
        url=f"https://{root[7:]}.example/hook",
        socket_event=None,
        expires_at=kit.clock.now + 86_400_000,
        expires_text="2029-07-07T14:40:40-03:00",
        brand_code="acme-brand",
        max_retries=None,
        options="{}",
        status=2,
        origin=f"https://{root[7:]}.example:443",
        keys=(b"secret-of-" + root.encode() * 3,),
    )
    published = store.publish([kit.event(n, root=root) for n in range(events)])
    seqs = [one.seq for one in published]
    store.claim_events(events * 2, 10**9)
    store.settle(kit.delivered([(seq, sub) for seq in seqs[:-2]]))
    store.settle(kit.failed(seqs[-2], sub))
    return sub


@pytest.fixture
def filled(dispatching: Store, kit: Any) -> tuple[Store, Any, Any]:
    mine, others = fill(dispatching, kit, MINE, 5), fill(dispatching, kit, OTHERS, 5)
    return dispatching, mine, others


def test_what_is_of_the_root_goes_and_of_others_stays(
    filled: tuple[Store, Any, Any], kit: Any
) -> None:
    store, mine, others = filled
    before = store.revision()
    told: list[dict[str, int]] = []
    deleted = store.purge(MINE, progress=told.append)
    assert deleted["subscriptions"] == 1
    assert deleted["events"] > 0
    assert told[-1] == deleted
    assert store.count_subscriptions(roots=None) == 1
    assert store.subscriptions(roots=[MINE]) == []
    [left] = store.subscriptions(roots=[OTHERS])
    assert left == others
    assert len(store.deliveries(roots=[OTHERS])) == 4
    revision, changed = store.changes(before)
    assert revision > before
    assert [(record.seq, record.deleted_at) for record in changed] == [(mine.seq, kit.clock.now)]
    assert store.purge(MINE)["events"] == 0


def test_a_root_whose_name_begins_the_same_is_another(
    filled: tuple[Store, Any, Any], kit: Any
) -> None:
    store, _, _ = filled
    fill(store, kit, MINE + "2", 3)
    store.purge(MINE)
    assert store.count_subscriptions(roots=[MINE + "2"]) == 1


@pytest.mark.stores("sqlite")
def test_nothing_of_the_root_is_left_in_the_file(kit: Any) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info())
    fill(store, kit, MINE, 5)
    store.publish([kit.event(9, root=MINE, idempotency_key="k", fingerprint=b"f")])
    fill(store, kit, OTHERS, 5)
    deleted = store.purge(MINE)
    assert deleted == {"events": 6, "deliveries": 4, "attempts": 1, "keys": 1, "subscriptions": 1}
    store.end_dispatching()
    store.close()
    with closing(sqlite3.connect(kit.path)) as connection:
        dump = "\n".join(connection.iterdump())
    for word in ("acme", b"secret-of-tenant/acme".hex().upper(), "ann@acme"):
        found = dump.replace("ann@acme.example", "") if word == "acme" else dump
        lines = [line for line in found.splitlines() if word in line and "origin" not in line]
        assert [line for line in lines if "globex" not in line] == [], word


def test_it_goes_in_parts(kit: Any) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info())
    sub = fill(store, kit, MINE, 3)
    many = store.publish([kit.event(n, root=MINE) for n in range(2_500)])
    store.claim_events(10_000, 10**9)
    store.settle(kit.delivered([(one.seq, sub) for one in many]))
    told: list[dict[str, int]] = []
    deleted = store.purge(MINE, progress=told.append)
    assert deleted["events"] == 2_503
    steps = [sum(after.values()) - sum(before.values()) for before, after in pairwise(told)]
    assert len(told) > 4
    assert max(steps) <= 2_000


def test_what_was_settled_after_the_purge_goes_with_pruning(kit: Any) -> None:
    store = kit.store()
    store.begin_dispatching(kit.info())
    sub = fill(store, kit, MINE, 3)
    [late] = store.publish([kit.event(7, root=MINE)])
    store.claim_events(10, 10**9)
    store.purge(MINE)
    store.settle(kit.ended(late.seq, sub, DeliveryState.DELIVERED))
    kit.clock.advance(1_000)
    pruned = store.prune(older_than_ms=kit.clock.now)
    assert (pruned["deliveries"], pruned["subscriptions"]) == (1, 1)
    assert store.subscription(sub.id) is None
