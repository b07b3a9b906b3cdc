"""The API in a Starlette application, asked over a real socket."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from served import Served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from webhooksub import (
    ConfigurationError,
    Dispatcher,
    Unauthenticated,
    allow_all,
)
from webhooksub.api import MAX_BODY, OPERATIONS
from webhooksub.contrib.starlette import THREADS_MAX, lifespan, webhook_routes
from webhooksub.testing import Receiver

RANDOM_ID = "01a2116a-b419-7cdf-933f-eebda918d9fd"


def tenant_of(request: Request) -> str | None:
    """The host's answer to who asks; it may block."""
    return request.headers.get("x-tenant")


async def tenant_of_later(request: Request) -> str | None:
    await asyncio.sleep(0)
    return request.headers.get("x-tenant")


def tenant_or_nobody(request: Request) -> str:
    if "x-tenant" not in request.headers:
        raise Unauthenticated("no tenant")
    return request.headers["x-tenant"]


def app_of(hooks: Dispatcher, actor: Any = tenant_of, at: str = "", **settings: Any) -> Starlette:
    routes: list[Any] = list(webhook_routes(hooks, actor))
    if at:
        routes = [Mount(at, routes=routes)]
    return Starlette(routes=routes, **settings)


@pytest.mark.parametrize("actor", [tenant_of, tenant_of_later, tenant_or_nobody])
def test_a_subscription_is_made_read_put_back_and_deleted(
    actor: Any, hooks: Dispatcher, document: dict[str, Any]
) -> None:
    with Served(app_of(hooks, actor)) as service:
        made = service.ask("POST", "/webhooks", document, x_tenant="acme")
        assert made.status == 201, made.body
        at = made.headers["location"]
        read = service.ask("GET", at, x_tenant="acme")
        assert (read.status, read.headers["content-type"]) == (200, "application/json")
        assert read.json()["resource"] == document["resource"]
        put = service.ask("PUT", at, read.json(), x_tenant="acme", if_match=read.headers["etag"])
        assert (put.status, put.json()["hasIntegrityKey"]) == (200, True)
        gone = service.ask("DELETE", at, x_tenant="acme")
        assert (gone.status, gone.body) == (204, b"")
        assert service.ask("GET", at, x_tenant="acme").status == 404


@pytest.mark.parametrize("actor", [tenant_of, tenant_of_later, tenant_or_nobody])
def test_whom_the_host_does_not_know_hears_401(actor: Any, hooks: Dispatcher) -> None:
    with Served(app_of(hooks, actor)) as service:
        for operation in OPERATIONS:
            answer = service.ask(operation.method, operation.path.format(id="1", eventId="2"))
            assert answer.status == 401, operation
            assert answer.headers["content-type"] == "application/problem+json"
            assert "www-authenticate" in answer.headers


def test_an_outsider_sees_what_does_not_exist(hooks: Dispatcher, document: dict[str, Any]) -> None:
    with Served(app_of(hooks)) as service:
        at = service.ask("POST", "/webhooks", document, x_tenant="acme").headers["location"]
        theirs = service.ask("GET", at, x_tenant="other")
        nobodys = service.ask("GET", f"/webhooks/{RANDOM_ID}", x_tenant="other")
        assert theirs.status == nobodys.status == 404
        assert theirs.body == nobodys.body
        assert without_date(theirs.headers) == without_date(nobodys.headers)
        assert service.ask("GET", "/webhooks", x_tenant="other").json()["totalCount"] == 0
        assert service.ask("GET", "/webhooks", x_tenant="acme").json()["totalCount"] == 1


def without_date(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "date"}


def test_links_lead_to_where_it_is_mounted(hooks: Dispatcher, document: dict[str, Any]) -> None:
    with Served(app_of(hooks, at="/api/v1"), root_path="/outside") as service:
        made = [service.ask("POST", "/api/v1/webhooks", document, x_tenant="acme") for _ in "12"]
        at = made[0].headers["location"]
        assert at.startswith("/outside/api/v1/webhooks/")
        page = service.ask("GET", "/api/v1/webhooks?limit=1", x_tenant="acme").json()
        assert page["nextPage"].startswith("/outside/api/v1/webhooks?limit=1&cursor=")
        inside = page["nextPage"].removeprefix("/outside")
        assert service.ask("GET", inside, x_tenant="acme").json()["hasMore"] is False


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE", "OPTIONS", "BREW"])
def test_a_method_that_is_not_offered_is_refused_by_the_api(method: str, hooks: Dispatcher) -> None:
    with Served(app_of(hooks)) as service:
        answer = service.ask(method, "/webhooks", x_tenant="acme")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert answer.headers["content-type"] == "application/problem+json"


def test_head_answers_as_get_without_the_body(hooks: Dispatcher) -> None:
    with Served(app_of(hooks)) as service:
        got, head = (service.ask(m, "/webhooks", x_tenant="acme") for m in ("GET", "HEAD"))
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == got.headers["content-type"]


def test_a_body_past_the_limit_is_not_read_to_its_end(hooks: Dispatcher) -> None:
    with (
        Served(app_of(hooks)) as service,
        socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection,
    ):
        connection.sendall(
            b"POST /webhooks HTTP/1.1\r\nHost: here\r\nX-Tenant: acme\r\n"
            b"Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n"
        )
        connection.sendall(b" " * (MAX_BODY + 1))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_who_hangs_up_amid_a_body_is_no_error(
    hooks: Dispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    with Served(app_of(hooks)) as service:
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
            connection.sendall(
                b"POST /webhooks HTTP/1.1\r\nHost: here\r\nX-Tenant: acme\r\n"
                b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )
        assert service.ask("GET", "/webhooks", x_tenant="acme").status == 200
    about = ("webhooksub", "uvicorn", "starlette")
    assert [record for record in caplog.records if record.name.startswith(about)] == []


def test_a_tenant_that_tries_slow_endpoints_does_not_stop_the_service(
    hooks: Dispatcher, receiver: Receiver, document: dict[str, Any]
) -> None:
    """A host's own plain functions still find a thread."""

    def try_it() -> None:
        # What becomes of its own answer, also too late, is no matter.
        with contextlib.suppress(OSError):
            service.ask("POST", at + "/test", x_tenant="acme")

    receiver.answer(delay=20)
    with Served(app_of(hooks)) as service:
        at = service.ask("POST", "/webhooks", document, x_tenant="acme").headers["location"]
        threads = [threading.Thread(target=try_it) for _ in range(THREADS_MAX + 30)]
        for thread in threads:
            thread.start()
        service.wait_until(lambda: receiver.connections >= THREADS_MAX // 2)
        assert service.ask("GET", "/webhooks").status == 401
        receiver.close()
        for thread in threads:
            thread.join(20)


def test_without_an_actor_it_is_not_mounted(hooks: Dispatcher) -> None:
    with pytest.raises(ConfigurationError, match="actor"):
        webhook_routes(hooks)


def test_for_development_who_restricts_nobody_needs_no_actor(document: dict[str, Any]) -> None:
    hooks = Dispatcher.in_memory(authorizer=allow_all, dev=True)
    with Served(app_of(hooks, None)) as service:
        assert service.ask("POST", "/webhooks", document).status == 201
    hooks.close()


# --- the lifespan --------------------------------------------------------------------


def test_the_lifespan_starts_the_dispatcher_around_the_host_s_own(
    hooks: Dispatcher, receiver: Receiver, document: dict[str, Any]
) -> None:
    seen = []

    @asynccontextmanager
    async def own(app: Any) -> AsyncIterator[dict[str, Any]]:
        seen.append(hooks.delivers)
        yield {"name": "state"}
        seen.append(hooks.delivers)

    with Served(app_of(hooks, lifespan=lifespan(hooks, own))) as service:
        service.ask("POST", "/webhooks", document, x_tenant="acme")
        hooks.publish(document["resource"] + "/r1", "update", {"n": 1})
        [request] = receiver.wait_for(1)
        assert request.json()["data"] == {"n": 1}
    assert seen == [True, True]
    assert not hooks.delivers


def test_a_process_that_only_publishes_does_not_deliver(hooks: Dispatcher) -> None:
    with Served(app_of(hooks, lifespan=lifespan(hooks, deliver=False))):
        assert not hooks.delivers
        hooks.check(delivers=False)
    assert repr(hooks).endswith("(closed)>")


def test_a_second_dispatcher_keeps_the_service_from_starting(
    hooks: Dispatcher, tmp_path: Any
) -> None:
    with Dispatcher(f"sqlite:///{tmp_path / 'hooks.db'}", authorizer=allow_all):
        service = Served(app_of(hooks, lifespan=lifespan(hooks)))
        service.close()
    assert service.failed is not None
