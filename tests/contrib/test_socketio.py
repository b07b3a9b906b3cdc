"""SOCKET subscriptions by socket.io: real servers of both kinds, python-socketio's client."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import socketio
from members import Members
from served import Served, ask
from socketed import (
    PATIENCE,
    Client,
    WsgiService,
    asgi_service,
    tenant_of,
    tenant_of_later,
    wait_for,
)
from starlette.applications import Starlette

from webhooksub import (
    ConfigurationError,
    Delivery,
    DeliveryState,
    Dispatcher,
    Outcome,
    SubscriptionInfo,
    Unauthenticated,
    ValidationError,
)
from webhooksub.contrib.socketio import Sockets, asgi, wsgi
from webhooksub.contrib.starlette import webhook_routes

DRAWERS = "tenant/{}/sidedrawer"
QUICK = {"poll_ms": 30, "grace_ms": 200, "retry_steps_ms": (100,), "retry_jitter": 0}
Make = Callable[..., Dispatcher]


@pytest.fixture
def sockets() -> Sockets:
    return Sockets()


@pytest.fixture
def make(tmp_path: Path, sockets: Sockets) -> Iterator[Make]:
    """Dispatchers on one file, closed at the end."""
    made: list[Dispatcher] = []

    def make_one(url: str = "", **config: Any) -> Dispatcher:
        given = {"authorizer": Members(), "sockets": sockets, "config": QUICK | config}
        made.append(Dispatcher(url or f"sqlite:///{tmp_path / 'hooks.db'}", **given))
        return made[-1]

    yield make_one
    for hooks in made:
        hooks.close(grace=0)


@pytest.fixture(params=["asgi", "wsgi"])
def service(request: pytest.FixtureRequest, sockets: Sockets) -> Callable[[Dispatcher], Any]:
    """Serves a dispatcher's clients, by either kind of server."""
    kinds: dict[str, Callable[[Sockets, Dispatcher], Any]] = {
        "asgi": asgi_service,
        "wsgi": WsgiService,
    }
    return lambda hooks: kinds[request.param](sockets, hooks)


def subscribe(hooks: Dispatcher, tenant: str = "acme", **fields: Any) -> SubscriptionInfo:
    given = {"expires": timedelta(days=1), "notification_messages": "changed"} | fields
    return hooks.subscribe(
        DRAWERS.format(tenant), "any", connection_type="SOCKET", actor=tenant, **given
    )


def publish(hooks: Dispatcher, n: int, tenant: str = "acme") -> str:
    return hooks.publish(f"tenant/{tenant}/sidedrawer/s{n}", "update", {"n": n}).id


def connections(hooks: Dispatcher, tenant: str = "acme") -> list[str]:
    """Those of the tenant's member, as every dispatcher sees them."""
    owner = f"member of {tenant}"
    return hooks._store.listeners.of([owner], since=0).get(owner, [])


def settled(hooks: Dispatcher, many: int, state: str = "delivered") -> list[Delivery]:
    """So many deliveries in that state, as soon as they are."""

    def found() -> list[Delivery] | None:
        rows = hooks.deliveries(state=state, actor="acme")
        return rows if len(rows) >= many else None

    rows: list[Delivery] = wait_for(found)
    return rows


def test_each_notification_is_an_event_and_its_acknowledgement_a_delivery(
    make: Make, service: Any
) -> None:
    hooks = make().start()
    info = subscribe(hooks, brand_code="mybrand")
    with service(hooks) as served, Client(served.url, "acme") as client:
        events = [publish(hooks, n) for n in range(3)]
        rows = settled(hooks, 3)
        # The client hears each by a thread of its own.
        assert sorted(client.numbers) == [0, 1, 2]
    assert {row.event_id for row in rows} == set(events)
    assert {(row.attempts, row.outcome, row.http_status) for row in rows} == {
        (1, Outcome.SUCCESS, None)
    }
    first = client.heard[client.numbers.index(0)]
    assert first["subscriptionId"] == info.id
    assert first["brandCode"] == "mybrand"
    assert first["resourcePath"] == "tenant/acme/sidedrawer/s0"
    assert first["modificationType"] == "update"
    assert len({notification["id"] for notification in client.heard}) == 3


def test_what_comes_while_nobody_is_connected_is_sent_to_who_connects(
    make: Make, service: Any
) -> None:
    hooks = make().start()
    subscription = subscribe(hooks)
    with service(hooks) as served:
        event = publish(hooks, 1)
        settled(hooks, 1, "waiting")
        publish(hooks, 2)
        rows = settled(hooks, 2, "waiting")
        assert {row.attempts for row in rows} == {0}
        assert {row.outcome for row in rows} == {Outcome.NOT_CONNECTED, Outcome.SPILLED}
        explained = hooks.explain(event=event, subscription=subscription.id, actor="acme")
        assert [(e.hears, e.code) for e in explained] == [(True, "not_connected")]
        with Client(served.url, "acme") as client:
            settled(hooks, 2)
            assert sorted(client.numbers) == [1, 2]
        wait_for(lambda: not connections(hooks))
        publish(hooks, 3)
        settled(hooks, 1, "waiting")
        with Client(served.url, "acme") as client:
            settled(hooks, 3)
            assert client.numbers == [3]
    assert all(row.attempts == 1 for row in hooks.deliveries(actor="acme"))


def test_another_tenants_client_hears_nothing(make: Make, service: Any) -> None:
    hooks = make().start()
    subscribe(hooks)
    subscribe(hooks, "other")
    with (
        service(hooks) as served,
        Client(served.url, "acme") as acme,
        Client(served.url, "other") as other,
    ):
        publish(hooks, 1)
        publish(hooks, 2, "other")
        settled(hooks, 1)
        wait_for(lambda: other.heard)
        assert (acme.numbers, other.numbers) == ([1], [2])


def test_a_client_hears_its_event_by_the_name_that_it_asked_for(make: Make, service: Any) -> None:
    hooks = make().start()
    subscribe(hooks, notification_messages="drawer changed")
    with service(hooks) as served, Client(served.url, "acme", "drawer changed") as client:
        publish(hooks, 1)
        settled(hooks, 1)
        assert client.numbers == [1]


def test_a_batch_is_one_event_with_a_list(make: Make, service: Any) -> None:
    hooks = make().start()
    subscribe(hooks, delivery={"batch": {"maxNotifications": 3, "lingerMs": 5_000}})
    with service(hooks) as served, Client(served.url, "acme") as client:
        hooks.publish_many([(f"tenant/acme/sidedrawer/s{n}", "update", {"n": n}) for n in range(3)])
        rows = settled(hooks, 3)
        [batch] = client.heard
    assert sorted(notification["data"]["n"] for notification in batch) == [0, 1, 2]
    assert len({row.batch for row in rows}) == 1


def test_without_an_acknowledgement_in_time_an_attempt_has_failed(make: Make, service: Any) -> None:
    hooks = make(socket_ack_ms=2_000).start()
    subscription = subscribe(hooks)
    released, holds = threading.Event(), iter([True])

    def hold_the_first(_: Any) -> None:
        if next(holds, False):
            released.wait(PATIENCE)

    with service(hooks) as served, Client(served.url, "acme") as client:
        client.before = hold_the_first
        event = publish(hooks, 1)
        [row] = settled(hooks, 1)
        released.set()
        wait_for(lambda: len(client.heard) == 2)
    assert row.attempts == 2
    assert len({notification["id"] for notification in client.heard}) == 1
    first, second = hooks.attempts(event, subscription.id, actor="acme")
    assert (first.outcome, first.http_status) == (Outcome.TIMEOUT, None)
    assert first.duration_ms >= 1_900
    assert second.outcome is Outcome.SUCCESS


def test_a_delivery_out_of_retries_is_a_dead_letter_and_replay_brings_it_back(
    make: Make, service: Any
) -> None:
    hooks = make(socket_ack_ms=1_000).start()
    subscription = subscribe(hooks, max_retries=1)
    released = threading.Event()
    with service(hooks) as served, Client(served.url, "acme") as client:
        client.before = lambda _: released.wait(PATIENCE)
        event = publish(hooks, 1)
        [row] = settled(hooks, 1, "dead")
        assert (row.attempts, row.outcome) == (2, Outcome.TIMEOUT)
        released.set()
        hooks.replay(subscription=subscription.id, event=event, actor="acme")
        settled(hooks, 1)


def test_every_connection_of_an_owner_hears_it_and_one_acknowledgement_is_enough(
    make: Make, service: Any
) -> None:
    hooks = make(socket_ack_ms=5_000).start()
    subscribe(hooks)
    with (
        service(hooks) as served,
        Client(served.url, "acme") as quick,
        Client(served.url, "acme") as slow,
    ):
        slow.before = lambda _: time.sleep(0.3)
        publish(hooks, 1)
        [row] = settled(hooks, 1)
        wait_for(lambda: slow.heard)
        assert (quick.numbers, slow.numbers, row.attempts) == ([1], [1], 1)


def test_an_owner_has_no_more_connections_than_the_limit(make: Make, service: Any) -> None:
    hooks = make(socket_connections_per_owner_max=2).start()
    with service(hooks) as served:
        first, second = Client(served.url, "acme").connect(), Client(served.url, "acme").connect()
        third = Client(served.url, "acme")
        assert "socket_connections_per_owner_max: there are 2" in third.refused()
        with Client(served.url, "other"):
            pass
        first.close()
        wait_for(lambda: len(connections(hooks)) == 1)
        with third:
            assert len(connections(hooks)) == 2
            second.close()


def test_who_is_not_known_cannot_connect(make: Make, service: Any) -> None:
    hooks = make().start()
    with service(hooks) as served:
        for token in ("", "nobody", "é", "a\nb", "a" * 9_000):
            assert Client(served.url, token).refused() == "say who you are"
    assert hooks._store.listeners.came(0, since=0) == set()


@pytest.mark.parametrize("fails", [Unauthenticated("no"), RuntimeError("the directory is down")])
def test_an_actor_callable_that_raises_lets_nobody_in(
    make: Make, sockets: Sockets, fails: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def actor(request: Any) -> None:
        raise fails

    hooks, is_no = make().start(), isinstance(fails, Unauthenticated)
    for serve in (asgi_service, WsgiService):
        with serve(Sockets(), hooks, actor) as served:
            told = Client(served.url, "acme").refused()
            assert told == ("say who you are" if is_no else "try again later")
    assert ("the directory is down" in caplog.text) != is_no


def test_an_actor_callable_may_be_a_coroutine_function(make: Make, sockets: Sockets) -> None:
    hooks = make().start()
    subscribe(hooks)
    with (
        asgi_service(sockets, hooks, tenant_of_later) as served,
        Client(served.url, "acme") as client,
    ):
        publish(hooks, 1)
        settled(hooks, 1)
        assert client.numbers == [1]


@pytest.mark.parametrize("make_app", [asgi.socket_app, wsgi.socket_app])
def test_without_an_actor_nothing_is_served(make: Make, sockets: Sockets, make_app: Any) -> None:
    with pytest.raises(ConfigurationError, match="actor"):
        make_app(sockets, make())


def test_what_expires_while_nobody_is_connected_is_never_sent(make: Make, service: Any) -> None:
    hooks = make().start()
    with service(hooks) as served:
        expires = datetime.now(UTC) + timedelta(seconds=8)
        subscribe(hooks, expires=expires)
        publish(hooks, 1)
        settled(hooks, 1, "waiting")
        time.sleep(max(0, (expires - datetime.now(UTC)).total_seconds() + 0.1))
        with Client(served.url, "acme") as client:
            [row] = settled(hooks, 1, "expired")
            assert client.heard == []
    assert (row.state, row.attempts) == (DeliveryState.EXPIRED, 0)


def test_no_more_waits_for_a_socket_than_the_limit(make: Make, service: Any) -> None:
    hooks = make(waiting_per_subscription_max=2).start()
    subscribe(hooks)
    with service(hooks) as served:
        for n in range(2):
            publish(hooks, n)
            settled(hooks, n + 1, "waiting")
        publish(hooks, 2)
        [row] = settled(hooks, 1, "dead")
        assert row.outcome is Outcome.BACKLOG_FULL
        with Client(served.url, "acme") as client:
            settled(hooks, 2)
            assert sorted(client.numbers) == [0, 1]


def test_what_waits_outlives_the_dispatcher(make: Make, service: Any) -> None:
    first = make().start()
    subscribe(first)
    publish(first, 1)
    settled(first, 1, "waiting")
    first.close()
    hooks = make().start()
    with service(hooks) as served, Client(served.url, "acme") as client:
        settled(hooks, 1)
        assert client.numbers == [1]


def test_who_unsubscribes_is_sent_nothing_more(make: Make, service: Any) -> None:
    hooks = make().start()
    subscription = subscribe(hooks)
    with service(hooks) as served:
        publish(hooks, 1)
        settled(hooks, 1, "waiting")
        hooks.unsubscribe(subscription.id, actor="acme")
        settled(hooks, 1, "cancelled")
        with Client(served.url, "acme") as client:
            publish(hooks, 2)
            hooks.flush(5)
            time.sleep(0.5)
            assert client.heard == []


def test_in_memory_it_is_the_same(make: Make, service: Any) -> None:
    hooks = make("memory://").start()
    subscribe(hooks)
    with service(hooks) as served:
        publish(hooks, 1)
        settled(hooks, 1, "waiting")
        publish(hooks, 2)
        settled(hooks, 2, "waiting")
        with Client(served.url, "acme") as client:
            settled(hooks, 2)
            assert sorted(client.numbers) == [1, 2]


def test_numbers_that_no_double_holds_arrive_as_they_were_written(make: Make, service: Any) -> None:
    hooks = make().start()
    subscribe(hooks)
    data = b'{"n":0,"large":1e400,"exact":12345678901234567890123,"text":"\\ud800 \\u0000"}'
    with service(hooks) as served, Client(served.url, "acme") as client:
        hooks.publish("tenant/acme/sidedrawer/s1", "update", data)
        settled(hooks, 1)
        [notification] = client.heard
    assert notification["data"] == {
        "n": 0,
        "large": "1e400",
        "exact": 12345678901234567890123,
        "text": "\ud800 \x00",
    }


# --- a host's own server ----------------------------------------------------------------


def test_a_hosts_own_server_takes_them_into_a_namespace_of_theirs(make: Make) -> None:
    sockets = Sockets(namespace="/hooks")
    server = socketio.AsyncServer(async_mode="asgi")
    hooks = Dispatcher("memory://", authorizer=Members(), sockets=sockets, config=QUICK).start()
    asgi.attach(server, sockets, hooks, tenant_of)

    @server.on("*", namespace="/hooks")  # type: ignore[untyped-decorator]
    async def hear(event: str, sid: str, *data: Any) -> str:
        return f"heard {event}"

    subscribe(hooks)
    with (
        Served(socketio.ASGIApp(server), timeout_graceful_shutdown=1) as served,
        Client(served.url, "acme", namespace="/hooks") as client,
    ):
        publish(hooks, 1)
        settled(hooks, 1)
        assert client.numbers == [1]
        assert client._client.call("hello", namespace="/hooks") == "heard hello"
    hooks.close()


def test_one_transport_serves_one_application(make: Make, sockets: Sockets) -> None:
    hooks = make()
    asgi.socket_app(sockets, hooks, tenant_of)
    with pytest.raises(ConfigurationError, match="another application"):
        asgi.socket_app(sockets, hooks, tenant_of)
    with pytest.raises(ConfigurationError, match="namespace"):
        Sockets(namespace="hooks")


# --- subscribing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"],
)
def test_names_that_socketio_keeps_for_itself_are_refused(make: Make, name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        subscribe(make(), notification_messages=name)
    assert [(e.field, e.code) for e in refused.value.errors] == [
        ("notificationMessages", "forbidden")
    ]


def test_a_socket_has_no_headers_and_needs_an_event(make: Make) -> None:
    with pytest.raises(ValidationError) as refused:
        subscribe(make(), notification_messages=None, delivery={"headers": {"X-A": "1"}})
    assert {(e.field, e.code) for e in refused.value.errors} == {
        ("notificationMessages", "required"),
        ("delivery.headers", "unsupported"),
    }


def test_without_a_transport_a_socket_is_refused_and_what_is_there_waits(make: Make) -> None:
    with_sockets = make()
    kept = subscribe(with_sockets)
    url = f"sqlite:///{with_sockets._store.name}"
    with Dispatcher(url, authorizer=Members(), config=QUICK) as hooks:
        with pytest.raises(ValidationError) as refused:
            subscribe(hooks)
        assert [(e.field, e.code) for e in refused.value.errors] == [
            ("connectionType", "unsupported")
        ]
        publish(hooks, 1)
        [row] = settled(hooks, 1, "waiting")
        assert (row.attempts, row.outcome) == (0, Outcome.NOT_CONNECTED)
        assert hooks.subscription(kept.id, actor="acme").subscription == kept.subscription


@pytest.mark.parametrize("offered", [True, False])
def test_the_api_takes_and_shows_them_where_there_is_a_transport(
    offered: bool, sockets: Sockets
) -> None:
    given = {"sockets": sockets} if offered else {}
    document = {
        "modificationType": "any",
        "connectionType": "SOCKET",
        "notificationMessages": "changed",
        "resource": DRAWERS.format("acme"),
        "expirationDateTime": "2126-07-07T14:40:40-03:00",
    }
    hooks = Dispatcher("memory://", authorizer=Members(), config=QUICK, **given)
    bearer = {"authorization": "Bearer acme"}
    with Served(Starlette(routes=webhook_routes(hooks, tenant_of))) as served:
        made = ask(served.port, "POST", "/webhooks", document, **bearer)
        described = ask(served.port, "GET", "/openapi.json").json()
    hooks.close()
    kinds = described["components"]["schemas"]["Webhook"]["properties"]["connectionType"]["enum"]
    assert ("SOCKET" in kinds) == offered
    if offered:
        assert (made.status, made.json()["connectionType"]) == (201, "SOCKET")
    else:
        assert made.status == 400
        assert json.dumps(made.json()).count("connectionType") == 1


def test_a_socket_is_asked_for_no_agreement_and_sent_no_test(make: Make) -> None:
    hooks = make(handshake="graph")
    info = subscribe(hooks, notification_url="https://example.com/hook")
    assert info.status.name == "ACTIVE"
    with pytest.raises(ValidationError, match="notificationUrl"):
        hooks.send_test(info.id, actor="acme")
