"""The subscription API in a project: who asks, and that no other site asks for them."""

import asyncio
import base64
import json
import re
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import httpx2
import pytest
import uvicorn
from config.asgi import application as asgi
from config.wsgi import application as wsgi
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import AsyncClient, Client
from rest_framework.authentication import BasicAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from shop.models import Shop
from shop.webhooks import token_for

from webhooksub import Unauthenticated
from webhooksub.api import SubscriptionApi
from webhooksub.contrib.django import hooks

pytestmark = pytest.mark.filterwarnings("ignore:no dispatcher")

DOCUMENT = {
    "resource": "shop/7/order",
    "modificationType": "any",
    "notificationUrl": "https://example.com/hook",
    "expirationDateTime": "2039-01-01T00:00:00Z",
}


@pytest.fixture
def bearer(ann: Any, shop: Shop) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(ann)}"}


def post(client: Client, path: str, document: Any = None, **headers: str) -> Any:
    body = "" if document is None else json.dumps(document)
    return client.post(path, body, content_type="application/json", headers=headers)


def test_a_subscription_is_made_read_and_ended(bearer: dict[str, str]) -> None:
    client = Client()
    made = post(client, "/api/webhooks", DOCUMENT, **bearer)
    assert made.status_code == 201
    where = made.headers["Location"]
    assert where == f"/api/webhooks/{made.json()['id']}"
    read = client.get(where, headers=bearer)
    assert read.json()["resource"] == "shop/7/order"
    assert client.get("/api/webhooks?limit=1", headers=bearer).json()["totalCount"] == 1
    etag = {"If-Match": read.headers["ETag"]}
    assert client.delete(where, headers=bearer | etag).status_code == 204
    assert client.get(where, headers=bearer).status_code == 404


def test_nobody_gets_a_problem_that_says_so() -> None:
    answer = Client().get("/api/webhooks")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_another_users_subscription_is_the_same_as_none(
    bearer: dict[str, str], subscribed: Any
) -> None:
    bob = get_user_model().objects.create_user("bob")
    headers = {"Authorization": f"Bearer {token_for(bob)}"}
    client = Client()
    his = client.get(f"/api/webhooks/{subscribed.id}", headers=headers)
    none = client.get("/api/webhooks/0190f5fe-7c00-7a00-8000-000000000000", headers=headers)
    assert (his.status_code, his.content) == (none.status_code, none.content)
    assert his.status_code == 404
    assert post(client, "/api/webhooks", DOCUMENT, **headers).status_code == 404


def test_a_browsers_session_needs_the_token_against_forgery(ann: Any, shop: Shop) -> None:
    client = Client(enforce_csrf_checks=True)
    client.login(username="ann", password="ann")
    refused = post(client, "/api/webhooks", DOCUMENT)
    assert refused.status_code == 403
    assert "CSRF" in refused.json()["detail"]
    page = client.get("/admin/password_change/").content.decode()
    found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert found
    assert post(client, "/api/webhooks", DOCUMENT, **{"X-CSRFToken": found[1]}).status_code == 201
    assert client.get("/api/webhooks").json()["totalCount"] == 1


def test_a_token_needs_no_other_even_beside_a_cookie(bearer: dict[str, str]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["theme"] = "dark"
    assert post(client, "/api/webhooks", DOCUMENT, **bearer).status_code == 201


async def _who(request: Any) -> Any:
    return await get_user_model().objects.filter(username=request.headers.get("X-User")).afirst()


def _of_rest_framework(request: Any) -> Any:
    try:
        found = BasicAuthentication().authenticate(Request(request))
    except AuthenticationFailed:
        return None
    return None if found is None else found[0]


def _raising(request: Any) -> Any:
    raise Unauthenticated


def test_the_actor_may_be_asked_for_asynchronously(settings: Any, bearer: dict[str, str]) -> None:
    given = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}
    settings(WEBHOOKSUB=given | {"actor": _who})
    client = Client()
    assert client.get("/api/webhooks", headers={"X-User": "ann"}).status_code == 200
    assert client.get("/api/webhooks", headers={"X-User": "bob"}).status_code == 401


def test_an_actor_callable_may_raise_that_it_knows_nobody(settings: Any) -> None:
    given = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}
    settings(WEBHOOKSUB=given | {"actor": _raising})
    assert Client().get("/api/webhooks").status_code == 401


def test_without_an_actor_callable_it_is_who_is_logged_in(
    settings: Any, ann: Any, shop: Shop
) -> None:
    given = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}
    settings(WEBHOOKSUB=given)
    client = Client()
    assert client.get("/api/webhooks").status_code == 401
    client.force_login(ann)
    assert client.get("/api/webhooks").status_code == 200


def test_nobody_is_nobody_even_where_everybody_may_subscribe(settings: Any) -> None:
    settings(WEBHOOKSUB={"authorizer": "webhooksub.allow_all", "dev": True})
    assert Client().get("/api/webhooks").status_code == 401
    assert Client().get("/api/openapi.json").status_code == 200


def test_an_actor_of_django_rest_framework(settings: Any, ann: Any, shop: Shop) -> None:
    given = {"authorizer": "shop.webhooks.Authorizer", "catalog": "shop.webhooks.CATALOG"}
    settings(WEBHOOKSUB=given | {"actor": _of_rest_framework})
    password = base64.b64encode(b"ann:ann").decode()
    client = Client(enforce_csrf_checks=True)
    assert post(client, "/api/webhooks", DOCUMENT).status_code == 401
    right = {"Authorization": f"Basic {password}"}
    assert post(client, "/api/webhooks", DOCUMENT, **right).status_code == 201
    wrong = {"Authorization": "Basic eDp5"}
    assert post(client, "/api/webhooks", DOCUMENT, **wrong).status_code == 401


def test_it_works_under_atomic_requests(
    bearer: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert post(Client(), "/api/webhooks", DOCUMENT, **bearer).status_code == 201


def test_the_document_is_the_apis_own_byte_for_byte() -> None:
    answer = Client().get("/api/openapi.json")
    assert answer.content == SubscriptionApi(hooks).openapi_json("/api")
    assert Client().get("/api/docs").headers["Content-Type"].startswith("text/html")


def test_a_body_that_is_too_large_is_refused_unread(bearer: dict[str, str]) -> None:
    answer = Client().post(
        "/api/webhooks", b"x" * 3_000_000, content_type="application/json", headers=bearer
    )
    assert answer.status_code == 413


def test_a_form_is_no_json(bearer: dict[str, str]) -> None:
    answer = Client().post("/api/webhooks", {"resource": "shop/7/order"}, headers=bearer)
    assert answer.status_code == 415


def test_an_async_client_is_answered(bearer: dict[str, str]) -> None:
    async def ask() -> Any:
        return await AsyncClient().get("/api/webhooks", headers=bearer)

    assert asyncio.run(ask()).status_code == 200


# --- real servers ----------------------------------------------------------------------


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def wsgi_url() -> Iterator[str]:
    with make_server("127.0.0.1", 0, wsgi, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def asgi_url() -> Iterator[str]:
    config = uvicorn.Config(asgi, "127.0.0.1", 0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        thread.join(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_both_kinds_of_servers_offer_it(
    request: pytest.FixtureRequest, bearer: dict[str, str], kind: str
) -> None:
    url = request.getfixturevalue(f"{kind}_url")
    with httpx2.Client(base_url=url, headers=bearer, timeout=20) as client:
        made = client.post("/api/webhooks", json=DOCUMENT)
        assert made.status_code == 201
        where = made.headers["location"]
        assert client.post(f"{where}/pause").json()["status"] == "paused"
        assert client.get(where).json()["id"] == made.json()["id"]
        assert client.patch(where, json={"brandCode": "b"}).status_code in (200, 415)
        assert client.head("/api/webhooks").content == b""
        assert client.request("TRACE", "/api/webhooks").status_code == 405
        assert client.post("/orders", json={"shop": 7, "totals": ["1"]}).status_code == 201
