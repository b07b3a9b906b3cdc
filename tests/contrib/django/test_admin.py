"""The admin, through its pages as a browser would see them."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import dateformat
from seen import wait_until
from shop.models import Order, Shop

from webhooksub import SubscriptionInfo
from webhooksub.contrib.django import OPERATOR, admin, hooks, paging
from webhooksub.contrib.django.models import Attempt, Delivery, Event, Subscription
from webhooksub.testing import Receiver

SECRET = "k" * 32
pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher")


@pytest.fixture
def client(ann: Any) -> Client:
    client = Client()
    client.force_login(ann)
    return client


@pytest.fixture
def delivered(subscribed: SubscriptionInfo, receiver: Receiver, shop: Shop) -> SubscriptionInfo:
    """One delivery that is dead, one that was delivered."""
    hooks.start()
    receiver.answer(500)
    Order.objects.create(shop=shop, total=1)
    assert wait_until(lambda: hooks.stats()["dead"] == 1, 30)
    receiver.answer(200)
    Order.objects.create(shop=shop, total=2)
    hooks.flush(timeout=10)
    return subscribed


def page(client: Client, where: str, **query: str) -> str:
    answer = client.get(f"/admin/webhooksub/{where}", query)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, model: str, action: str, *pks: Any) -> list[str]:
    """Does it with the chosen rows; what the page says then."""
    data = {"action": action, "_selected_action": [str(pk) for pk in pks]}
    answer = client.post(f"/admin/webhooksub/{model}/", data, follow=True)
    assert answer.status_code == 200
    found = re.findall(r'<li class="(?:success|error|info|warning)">(.*?)</li>', _text(answer))
    return [html.unescape(text) for text in found]


def _text(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


def dead() -> list[Delivery]:
    return list(Delivery.objects.filter(state=4))


def test_every_list_and_every_row_has_a_page(client: Client, delivered: SubscriptionInfo) -> None:
    event, _ = Event.objects.order_by("seq")
    assert "shop/7/order/1" in page(client, "event/")
    assert "&quot;total&quot;:2," in page(client, f"event/{event.pk + 1}/change/")
    shown = dateformat.format(event.published_at, "N j, Y, P")
    assert shown in page(client, "event/"), "a time as the admin shows times"
    assert "https://localhost:" in page(client, "subscription/")
    assert "_facets" not in page(client, "delivery/")
    text = page(client, f"subscription/{Subscription.objects.get().pk}/change/")
    assert delivered.id in text and "icon-yes" in text
    assert "delivered" in page(client, "delivery/")
    for row in Delivery.objects.all():
        assert str(event.id) in page(client, f"delivery/{event.pk}-1/change/")
        assert row.pk == f"{row.event.pk}-{row.subscription.pk}"
    assert "http error" in page(client, "attempt/")
    assert "500" in page(client, f"attempt/{Attempt.objects.earliest('seq').pk}/change/")
    assert "Webhooks" in client.get("/admin/").content.decode()


def test_secrets_are_on_no_page(client: Client, shop: Shop, ann: Any, receiver: Receiver) -> None:
    secret_header = "Bearer customers-own-secret"
    hooks.subscribe(
        "shop/7/order",
        "any",
        receiver.url("/hook"),
        expires=timedelta(days=1),
        integrity_key=SECRET,
        delivery={"headers": {"X-Customer-Key": secret_header}},
        actor=ann,
    )
    pk = Subscription.objects.get().pk
    pages = [page(client, "subscription/"), page(client, f"subscription/{pk}/change/")]
    assert "X-Customer-Key" in pages[1]
    for text in pages:
        assert SECRET not in text and "customers-own-secret" not in text
    assert "secret" not in page(client, "").lower()


def test_pause_and_resume(client: Client, subscribed: SubscriptionInfo) -> None:
    pk = Subscription.objects.get().pk
    assert act(client, "subscription", "pause", pk) == ["1 paused."]
    assert hooks.subscription(subscribed.id, actor=OPERATOR).status.name == "PAUSED"
    assert "paused" in page(client, "subscription/", status="paused")
    assert subscribed.id not in page(client, "subscription/", status="active")
    assert act(client, "subscription", "resume", pk) == ["1 resumed."]
    assert hooks.subscription(subscribed.id, actor=OPERATOR).status.name == "ACTIVE"


def test_a_test_notification_is_sent_and_its_outcome_shown(
    client: Client, subscribed: SubscriptionInfo, receiver: Receiver
) -> None:
    pk = Subscription.objects.get().pk
    said = act(client, "subscription", "send_test", pk)
    assert receiver.wait_for(1)[0].json()["data"] == {"test": True}
    assert "success, HTTP 200" in said[0] and said[1] == "1 test notifications were taken."
    receiver.answer(503)
    said = act(client, "subscription", "send_test", pk)
    assert "http error, HTTP 503" in said[0] and said[1] == "0 test notifications were taken."


@pytest.mark.parametrize("by", ["delivery", "event", "subscription"])
def test_a_dead_letter_is_replayed(
    client: Client, delivered: SubscriptionInfo, receiver: Receiver, by: str
) -> None:
    [row] = dead()
    pks = {"delivery": row.pk, "event": row.event.pk, "subscription": row.subscription.pk}
    action = "replay_dead" if by == "subscription" else "replay"
    before = len(receiver.requests)
    assert act(client, by, action, pks[by]) == ["1 deliveries are due again."]
    assert hooks.flush(timeout=10).delivered >= 1
    assert len(receiver.requests) == before + 1
    assert dead() == []


def test_deliveries_are_found_by_state_event_and_subscription(
    client: Client, delivered: SubscriptionInfo
) -> None:
    [row] = dead()
    key, other = row.pk, Delivery.objects.get(state=3).pk
    assert links(page(client, "delivery/", state="dead")) == [key]
    assert links(page(client, "delivery/", state="delivered")) == [other]
    assert links(page(client, "delivery/", q=str(row.event.id))) == [key]
    assert links(page(client, "delivery/", q=delivered.id)) == [other, key]
    assert links(page(client, "delivery/", event__exact=str(row.event.pk))) == [key]
    assert links(page(client, "delivery/", q="nonsense")) == []
    tried = page(client, "attempt/", event__exact=str(row.event.pk), subscription__exact="1")
    assert tried.count("http error") >= 10


def links(text: str) -> list[str]:
    return re.findall(r"/admin/webhooksub/delivery/([0-9-]+)/change/", text)


def test_events_and_subscriptions_are_found_by_their_ids(
    client: Client, delivered: SubscriptionInfo
) -> None:
    first, second = Event.objects.order_by("seq")
    text = page(client, "event/", q=str(first.id))
    assert str(first.id) in text and str(second.id) not in text
    assert str(second.id) in page(client, "event/", q="shop/7")
    assert str(second.id) not in page(client, "event/", q="shop/8")
    assert delivered.id in page(client, "subscription/", q=delivered.id)
    assert delivered.id in page(client, "subscription/", q="localhost")
    assert delivered.id not in page(client, "subscription/", q="elsewhere")


def test_a_deleted_subscription_is_shown_when_asked_for(
    client: Client, subscribed: SubscriptionInfo
) -> None:
    hooks.unsubscribe(subscribed.id, actor=OPERATOR)
    assert subscribed.id not in page(client, "subscription/")
    assert subscribed.id in page(client, "subscription/", status="deleted")


def test_a_project_without_time_zones_has_the_pages_too(
    client: Client, subscribed: SubscriptionInfo, settings: Any
) -> None:
    settings(USE_TZ=False)
    assert "active" in page(client, "subscription/")
    assert "expires" in page(client, "subscription/1/change/").lower()


def test_nothing_can_be_added_changed_or_deleted(
    client: Client, delivered: SubscriptionInfo
) -> None:
    rows = {"subscription": 1, "event": 1, "delivery": "1-1", "attempt": 1}
    for model, pk in rows.items():
        assert client.get(f"/admin/webhooksub/{model}/add/").status_code == 403
        assert client.post(f"/admin/webhooksub/{model}/{pk}/change/", {}).status_code == 403
        assert client.post(f"/admin/webhooksub/{model}/{pk}/delete/", {}).status_code == 403


def test_who_may_only_look_has_no_actions(subscribed: SubscriptionInfo) -> None:
    bob = get_user_model().objects.create_user("bob", is_staff=True)
    bob.user_permissions.add(Permission.objects.get(codename="view_subscription"))
    client = Client()
    client.force_login(bob)
    assert 'value="pause"' not in page(client, "subscription/")
    act(client, "subscription", "pause", 1)
    assert hooks.subscription(subscribed.id, actor=OPERATOR).status.name == "ACTIVE"
    assert client.get("/admin/webhooksub/event/").status_code == 403
    bob.user_permissions.add(Permission.objects.get(codename="change_subscription"))
    assert 'value="pause"' in page(client, "subscription/")


def test_a_row_that_is_not_there_is_no_error_of_the_server(client: Client) -> None:
    for where in ("delivery/1-1/change/", "delivery/x/change/", "event/9/change/"):
        assert client.get(f"/admin/webhooksub/{where}").status_code == 302


def test_actions_work_under_atomic_requests(
    client: Client, subscribed: SubscriptionInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert act(client, "subscription", "pause", Subscription.objects.get().pk) == ["1 paused."]


def test_more_rows_than_an_action_takes_are_refused(
    client: Client, delivered: SubscriptionInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "ACTION_ROWS_MAX", 1)
    said = act(client, "delivery", "replay", "1-1", "2-1")
    assert said == ["More than 1 rows: use `manage.py webhooksub`."]


def test_what_one_row_refuses_is_told_and_the_others_are_done(
    client: Client, subscribed: SubscriptionInfo, shop: Shop, ann: Any
) -> None:
    gone = hooks.subscribe(
        "shop/7/order", "any", "https://example.com/h", expires=timedelta(days=1), actor=ann
    )
    hooks.unsubscribe(gone.id, actor=ann)
    data = {"action": "pause", "_selected_action": ["1", "2"]}
    query = "?status=deleted"
    answer = client.post(f"/admin/webhooksub/subscription/{query}", data, follow=True)
    assert "no such subscription" in answer.content.decode()
    assert act(client, "subscription", "pause", 1, 2) == ["1 paused."]


def test_a_list_counts_no_further_than_people_turn_pages(
    client: Client, delivered: SubscriptionInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "ROWS_MAX", 0)
    assert "1 delivery" in page(client, "delivery/") or "1 deliveries" in page(client, "delivery/")


def test_a_page_of_deliveries_costs_no_walk_over_the_table(
    client: Client, delivered: SubscriptionInfo
) -> None:
    def plans(ask: Callable[[], object]) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            ask()
        with connection.cursor() as cursor:
            return [
                "; ".join(row[3] for row in cursor.execute("EXPLAIN QUERY PLAN " + q["sql"]))
                for q in queries
                if 'FROM "webhooksub_delivery"' in q["sql"] and "COUNT" not in q["sql"]
            ]

    by_key = "SEARCH webhooksub_delivery USING PRIMARY KEY (event_seq=? AND subscription_seq=?)"
    assert plans(lambda: page(client, "delivery/1-1/change/"))[0].startswith(by_key)
    [several] = plans(lambda: act(client, "delivery", "replay", "1-1", "2-1"))[:1]
    assert "SCAN" not in several and several.count(by_key) == 2
    [newest] = plans(lambda: page(client, "delivery/"))
    assert newest.startswith("SCAN webhooksub_delivery; SEARCH")
    [dead] = plans(lambda: page(client, "delivery/", state="dead"))
    assert dead.startswith("SCAN webhooksub_delivery USING INDEX webhooksub_delivery_dead")
    for plan in (newest, dead):
        assert "ORDER BY" not in plan, "it is read in its own order, and ends with the page"
