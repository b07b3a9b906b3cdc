"""A backlog is claimed as fast as it is delivered: the same on every store."""

from typing import Any

import pytest

from webhooksub.events import DeliveryState
from webhooksub.store import Store
from webhooksub.store.base import SubscriptionRecord
from webhooksub.store.shares import SHARE_MAX, Shares

Key = tuple[int, int]


@pytest.fixture
def slow(dispatching: Store, kit: Any) -> SubscriptionRecord:
    return kit.subscribe(dispatching, "host")


@pytest.fixture
def backlog(dispatching: Store, kit: Any, slow: SubscriptionRecord) -> list[int]:
    """Three thousand events that wait for it."""
    events = [p.seq for p in dispatching.publish(kit.events(3_000))]
    dispatching.claim_events(10_000, 10**9)
    dispatching.settle(kit.spilled([(e, slow) for e in events]))
    return events


def claim_all(store: Store, per_origin: int = 64) -> list[Key]:
    """Until nothing more is given."""
    taken: list[Key] = []
    while some := store.claim_due(per_origin, 2_000):
        taken += [(event[0], sub) for event, sub, _ in some]
    return taken


def give_back(store: Store, kit: Any, sub: SubscriptionRecord, keys: list[Key]) -> None:
    """The engine could not start them soon."""
    reports = kit.spilled([(event, sub) for event, _ in keys])
    reports.waited = [(*key, True) for key in keys]
    store.settle(reports)


def deliver(store: Store, kit: Any, sub: SubscriptionRecord, keys: list[Key]) -> None:
    reports = kit.delivered([(event, sub) for event, _ in keys])
    reports.waited = [(*key, False) for key in keys]
    store.settle(reports)


def test_no_more_is_claimed_at_once_than_the_largest_share(
    dispatching: Store, backlog: list[int]
) -> None:
    assert len(claim_all(dispatching)) == SHARE_MAX
    assert dispatching.due_in() is None, "until something of it is back"


def test_what_comes_back_untried_halves_the_share_until_one_is_left(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    sizes = []
    for _ in range(12):
        keys = claim_all(dispatching)
        sizes.append(len(keys))
        give_back(dispatching, kit, slow, keys)
    assert sizes == [1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 1]
    assert dispatching.stats()["waiting"] == 3_000


def test_a_slow_one_is_claimed_no_faster_than_it_is_delivered(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    """Six are under way; of all that is claimed besides, most comes back."""
    under_way: list[Key] = []
    claims = 0
    for turn in range(60):
        kit.clock.advance(2_000)
        keys = claim_all(dispatching)
        claims += len(keys)
        started, late = keys[: 6 - len(under_way)], keys[6 - len(under_way) :]
        under_way += started
        if late:
            give_back(dispatching, kit, slow, late)
        if turn % 7 == 6:  # each takes fourteen seconds
            deliver(dispatching, kit, slow, under_way)
            under_way = []
    assert claims < 2 * SHARE_MAX + 60 * 20
    assert dispatching.stats()["waiting"] < 3_000 - 40


def test_what_is_tried_doubles_it_again(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    for _ in range(11):
        give_back(dispatching, kit, slow, claim_all(dispatching))
    sizes = []
    while keys := claim_all(dispatching):
        sizes.append(len(keys))
        deliver(dispatching, kit, slow, keys)
    assert sizes[:10] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert sum(sizes) == 3_000
    assert {d.state for d in dispatching.deliveries(limit=5_000)} == {DeliveryState.DELIVERED}


def test_a_backlog_stands_before_no_neighbour_on_its_host(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    claim_all(dispatching)
    kit.clock.advance(1)
    other = kit.subscribe(dispatching, "host")
    dispatching.settle(kit.spilled([(e, other) for e in backlog[:10]]))
    assert {sub for _, sub in claim_all(dispatching)} == {other.seq}


def test_deleting_the_subscription_cancels_what_waits_apart(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    taken = claim_all(dispatching)
    dispatching.delete_subscription(slow.id)
    assert dispatching.stats()["waiting"] == 0
    states = [d.state for d in dispatching.deliveries(limit=5_000)]
    assert states.count(DeliveryState.CANCELLED) == 3_000 - len(taken)


def test_a_pause_lets_all_wait_and_its_end_brings_all_back(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    taken = claim_all(dispatching)
    dispatching.update_subscription(slow.id, {"status": 3})
    deliver(dispatching, kit, slow, taken)
    assert claim_all(dispatching) == []
    dispatching.update_subscription(slow.id, {"status": 2})
    while keys := claim_all(dispatching):
        deliver(dispatching, kit, slow, keys)
    assert dispatching.stats()["waiting"] == 0


def test_what_waits_apart_expires_with_its_subscription(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    taken = claim_all(dispatching)
    kit.clock.advance(86_400_000)
    deliver(dispatching, kit, slow, taken)
    for _ in range(3):
        assert claim_all(dispatching) == []
    states = [d.state for d in dispatching.deliveries(limit=5_000)]
    assert states.count(DeliveryState.EXPIRED) == 3_000 - len(taken)


def test_a_new_dispatcher_begins_with_the_largest_share(
    dispatching: Store, kit: Any, slow: SubscriptionRecord, backlog: list[int]
) -> None:
    for _ in range(11):
        give_back(dispatching, kit, slow, claim_all(dispatching))
    claim_all(dispatching)
    dispatching.end_dispatching()
    dispatching.begin_dispatching(kit.info())
    assert len(claim_all(dispatching)) == SHARE_MAX


def test_what_is_known_of_shares_is_forgotten_with_the_backlog() -> None:
    shares = Shares()
    for sub in range(1_000):
        shares.took({sub: 10})
        shares.learn([(1, sub, True)] * 10)
        assert shares.left(sub) == 5
        shares.forget(sub)
    assert not shares._share and not shares._out


def test_what_is_moved_to_where_the_last_was_just_taken_from_is_not_forgotten(
    dispatching: Store, kit: Any, slow: SubscriptionRecord
) -> None:
    events = [p.seq for p in dispatching.publish(kit.events(2))]
    dispatching.claim_events(10, 10**9)
    dispatching.settle(kit.spilled([(e, slow) for e in events]))
    give_back(dispatching, kit, slow, claim_all(dispatching))
    # One share is left: of two rows one is claimed, the other one moved. Back comes the one.
    give_back(dispatching, kit, slow, claim_all(dispatching))
    kit.clock.advance(1)
    # Now the moved one is claimed, and the one moved.
    delivered: list[Key] = []
    while keys := claim_all(dispatching):
        deliver(dispatching, kit, slow, keys)
        delivered += keys
    assert sorted(delivered) == [(event, slow.seq) for event in events]
