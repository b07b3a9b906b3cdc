"""The API in a FastAPI application: the host's dependencies, its documents, its sessions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from served import Served
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from webhooksub import ConfigurationError, Dispatcher, Unauthenticated, allow_all
from webhooksub.api import OPERATIONS, SubscriptionApi
from webhooksub.contrib.fastapi import describe_webhooks, lifespan, webhook_router
from webhooksub.testing import Receiver

RANDOM_ID = "01a2116a-b419-7cdf-933f-eebda918d9fd"
Tenant = Annotated[str | None, Header(alias="x-tenant")]
bearer = HTTPBearer(auto_error=False)


def plain(tenant: Tenant = None) -> str | None:
    """A host's dependency that may block."""
    return tenant


async def later(tenant: Tenant = None) -> str | None:
    await asyncio.sleep(0)
    return tenant


def raising(tenant: Tenant = None) -> str:
    if tenant is None:
        raise Unauthenticated("no tenant")
    return tenant


def nested(tenant: Annotated[str | None, Depends(later)]) -> str | None:
    return tenant


class Known:
    """A dependency that is an object."""

    async def __call__(self, tenant: Tenant = None) -> str | None:
        return tenant


ACTORS = [plain, later, raising, nested, Known()]


def app_of(hooks: Dispatcher, actor: Any = plain, **options: Any) -> FastAPI:
    app = FastAPI(**options)
    app.include_router(webhook_router(hooks, actor, tags=["webhooks"]), prefix="/api")
    describe_webhooks(app, hooks)
    return app


@pytest.mark.parametrize("actor", ACTORS)
def test_a_member_s_subscription_is_not_there_for_an_outsider(
    actor: Any, hooks: Dispatcher, document: dict[str, Any]
) -> None:
    with Served(app_of(hooks, actor)) as service:
        made = service.ask("POST", "/api/webhooks", document, x_tenant="acme")
        assert made.status == 201, made.body
        at = made.headers["location"]
        assert at == f"/api/webhooks/{made.json()['id']}"
        read = service.ask("GET", at, x_tenant="acme")
        put = service.ask("PUT", at, read.json(), x_tenant="acme", if_match=read.headers["etag"])
        assert (put.status, put.json()["hasIntegrityKey"]) == (200, True)
        theirs = service.ask("GET", at, x_tenant="other")
        nobodys = service.ask("GET", f"/api/webhooks/{RANDOM_ID}", x_tenant="other")
        assert theirs.status == nobodys.status == 404
        assert theirs.body == nobodys.body
        assert service.ask("DELETE", at, x_tenant="acme").status == 204


@pytest.mark.parametrize("actor", ACTORS)
def test_whom_the_host_does_not_know_hears_401(actor: Any, hooks: Dispatcher) -> None:
    with Served(app_of(hooks, actor)) as service:
        for operation in OPERATIONS:
            path = "/api" + operation.path.format(id="1", eventId="2")
            answer = service.ask(operation.method, path)
            assert answer.status == 401, operation
            assert answer.headers["content-type"] == "application/problem+json"


def test_what_a_dependency_refuses_itself_stays_its_own(hooks: Dispatcher) -> None:
    def refusing() -> str:
        raise HTTPException(403, "not here")

    with Served(app_of(hooks, refusing)) as service:
        answer = service.ask("GET", "/api/webhooks")
        assert (answer.status, answer.json()) == (403, {"detail": "not here"})


def test_a_dependency_can_be_overridden_as_in_any_test(hooks: Dispatcher) -> None:
    app = app_of(hooks)
    app.dependency_overrides[plain] = lambda: "acme"
    with Served(app) as service:
        assert service.ask("GET", "/api/webhooks").status == 200


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE", "OPTIONS"])
def test_a_method_that_is_not_offered_is_refused_by_the_api(method: str, hooks: Dispatcher) -> None:
    with Served(app_of(hooks)) as service:
        answer = service.ask(method, "/api/webhooks", x_tenant="acme")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert answer.headers["content-type"] == "application/problem+json"
        assert service.ask("HEAD", "/api/webhooks", x_tenant="acme").status == 200


def test_validation_is_the_api_s_own(hooks: Dispatcher, document: dict[str, Any]) -> None:
    with Served(app_of(hooks)) as service:
        wrong = document | {"resource": "tenant/{tenantId}/sidedrawer", "colour": "red"}
        answer = service.ask("POST", "/api/webhooks", wrong, x_tenant="acme")
        assert answer.status == 400
        assert {e["field"] for e in answer.json()["errors"]} == {"resource", "colour"}


def test_without_an_actor_there_is_no_router(hooks: Dispatcher) -> None:
    with pytest.raises(ConfigurationError, match="actor"):
        webhook_router(hooks)


def test_for_development_who_restricts_nobody_needs_no_actor(document: dict[str, Any]) -> None:
    hooks = Dispatcher.in_memory(authorizer=allow_all, dev=True)
    with Served(app_of(hooks, None)) as service:
        assert service.ask("POST", "/api/webhooks", document).status == 201
    hooks.close()


# --- its documents -------------------------------------------------------------------


def test_the_host_s_openapi_holds_every_operation_and_webhook(hooks: Dispatcher) -> None:
    def known(token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Any:
        return token

    document = app_of(hooks, known).openapi()
    ours = SubscriptionApi(hooks).openapi()
    shown = {
        (method, path.removeprefix("/api"))
        for path, item in document["paths"].items()
        for method in item
    }
    assert shown == {(o.method.lower(), o.path) for o in OPERATIONS}
    assert list(document["webhooks"]) == list(ours["webhooks"])
    created = document["paths"]["/api/webhooks"]["post"]
    assert created["security"] == [{"HTTPBearer": []}]
    assert created["tags"] == ["webhooks"]
    schema = created["requestBody"]["content"]["application/json"]["schema"]
    assert schema["properties"] == ours["components"]["schemas"]["Webhook"]["properties"]
    assert set(created["responses"]) == set(ours["paths"]["/webhooks"]["post"]["responses"])


def test_it_refers_to_nothing_that_is_not_there(hooks: Dispatcher) -> None:
    document = app_of(hooks).openapi()
    text_of_it = json.dumps(document)
    references = {
        piece.split('"')[0] for piece in text_of_it.split('"$ref": "#/components/schemas/')[1:]
    }
    assert references <= set(document["components"]["schemas"])
    assert "Webhook" not in document["components"]["schemas"]


# --- publishing in the host's transaction --------------------------------------------


def service_of(hooks: Dispatcher, database: Path) -> FastAPI:
    """A host with a table of folders in the store's own file."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.execute(text("create table folder (name text)"))
        yield
        await engine.dispose()

    async def session() -> AsyncIterator[AsyncSession]:
        async with AsyncSession(engine) as opened:
            yield opened

    app = app_of(hooks, lifespan=lifespan(hooks, own))

    @app.post("/folders/{name}")
    async def create(
        name: str, commits: bool, session: Annotated[AsyncSession, Depends(session)]
    ) -> None:
        await session.execute(text("insert into folder values (:name)"), {"name": name})
        path = f"tenant/acme/sidedrawer/s1/record/{name}"
        await hooks.apublish(path, "create", {"name": name}, connection=session)
        if commits:
            await session.commit()

    return app


def test_a_change_arrives_when_its_request_committed_it(
    hooks: Dispatcher, tmp_path: Path, receiver: Receiver, document: dict[str, Any]
) -> None:
    with Served(service_of(hooks, tmp_path / "hooks.db")) as service:
        service.ask("POST", "/api/webhooks", document, x_tenant="acme")
        assert service.ask("POST", "/folders/lost?commits=false").status == 200
        assert service.ask("POST", "/folders/taxes?commits=true").status == 200
        receiver.wait_for(1)
        assert hooks.flush(timeout=10).complete
    assert [request.json()["data"] for request in receiver.requests] == [{"name": "taxes"}]
