"""The subscription API is mounted in a Flask app as it is, for whomever the app knows."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from acme import RECORDS
from flask import Flask, Request
from flask.testing import FlaskClient

from webhooksub import ConfigurationError, Dispatcher, Unauthenticated, allow_all
from webhooksub.api import MAX_BODY, SubscriptionApi
from webhooksub.contrib.flask import Webhooksub, webhook_blueprint

DOCUMENT = {
    "resource": RECORDS,
    "modificationType": "any",
    "notificationUrl": "https://one.example/hook",
    "expirationDateTime": "2099-07-07T14:40:40-03:00",
}
JSON = {"content-type": "application/json"}


class Members:
    """Who is called `ann` belongs to acme, and nobody to anything else."""

    def allows(self, actor: str, root: tuple[str, str], operation: str) -> bool:
        return (actor, root) == ("ann", ("tenant", "acme"))

    def roots(self, actor: str) -> list[tuple[str, str]]:
        return [("tenant", "acme")] if actor == "ann" else []

    def owner_id(self, actor: str) -> str:
        return actor

    def still_allowed(self, owner_id: str, root: tuple[str, str]) -> bool:
        return True


def who(request: Request) -> str | None:
    name = request.headers.get("x-user")
    if name == "nobody":
        raise Unauthenticated
    return name


hooks = Webhooksub(authorizer=Members())


def create_app(folder: Path, *, prefix: str | None = "/api/v1") -> Flask:
    app = Flask(__name__)
    app.config["WEBHOOKSUB_DATABASE"] = f"sqlite:///{folder / 'hooks.db'}"
    hooks.init_app(app, actor=who)
    app.register_blueprint(hooks.blueprint(), url_prefix=prefix)

    @app.get("/")
    def index() -> str:
        return "the host's"

    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    made = create_app(tmp_path)
    yield made
    with made.app_context():
        hooks.close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    made = app.test_client()
    made.environ_base["HTTP_X_USER"] = "ann"
    return made


def test_a_subscription_is_made_read_and_ended(client: FlaskClient) -> None:
    made = client.post("/api/v1/webhooks", json=DOCUMENT)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/api/v1/webhooks/{made.json['id']}"
    read = client.get(made.headers["location"])
    assert (read.status_code, read.json["resource"]) == (200, RECORDS)
    assert client.get("/api/v1/webhooks").json["totalCount"] == 1
    assert client.post(f"{made.headers['location']}/pause").json["status"] == "paused"
    ended = client.delete(made.headers["location"])
    assert (ended.status_code, ended.data) == (204, b"")
    assert "content-type" not in ended.headers


@pytest.mark.parametrize("user", ["nobody", ""])
def test_whom_the_app_does_not_know_gets_401(client: FlaskClient, user: str) -> None:
    headers = {"x-user": "nobody"} if user else None
    if not user:
        del client.environ_base["HTTP_X_USER"]
    answer = client.get("/api/v1/webhooks", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_who_is_known_and_may_not_sees_nothing(client: FlaskClient) -> None:
    made = client.post("/api/v1/webhooks", json=DOCUMENT)
    answer = client.get(made.headers["location"], headers={"x-user": "eve"})
    assert answer.status_code == 404


def test_the_document_is_the_apis_own_and_asks_nobody(app: Flask) -> None:
    client = app.test_client()
    answer = client.get("/api/v1/openapi.json")
    with app.app_context():
        api = SubscriptionApi(hooks.dispatcher)
    assert answer.data == api.openapi_json("/api/v1")
    page = client.get("/api/v1/docs")
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert page.headers["content-security-policy"]


def test_the_pages_may_be_left_out(tmp_path: Path) -> None:
    app = Flask(__name__)
    app.config["WEBHOOKSUB_DATABASE"] = f"sqlite:///{tmp_path / 'hooks.db'}"
    hooks.init_app(app, actor=who)
    app.register_blueprint(hooks.blueprint(pages=False))
    assert app.test_client().get("/openapi.json").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", "/webhooks", 405),
        ("OPTIONS", "/webhooks", 405),
        ("TRACE", "/webhooks/resources", 405),
        ("GET", "/webhooks/", 404),
        ("GET", "/webhooks/x", 404),
        ("GET", "/webhooks/x/y/z/a", 404),
        ("GET", "/webhooks/%2e%2e/openapi.json", 404),
        ("POST", "/openapi.json", 405),
    ],
)
def test_refusals_are_the_apis_own(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(f"/api/v1{path}", method=method)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_head_is_get_without_a_body(client: FlaskClient) -> None:
    answer = client.head("/api/v1/webhooks")
    assert (answer.status_code, answer.data) == (200, b"")


def test_a_body_that_is_too_large_is_refused_by_the_api(client: FlaskClient) -> None:
    answer = client.post("/api/v1/webhooks", data=b" " * (MAX_BODY + 1), headers=JSON)
    assert (answer.status_code, answer.mimetype) == (413, "application/problem+json")


def test_queries_arrive_as_they_were_sent(client: FlaskClient) -> None:
    client.post("/api/v1/webhooks", json=DOCUMENT)
    assert client.get("/api/v1/webhooks?status=paused").json["totalCount"] == 0
    assert client.get("/api/v1/webhooks?stat%C3%BCs=1").status_code == 400


def test_at_the_root_the_hosts_own_pages_stay(tmp_path: Path) -> None:
    app = create_app(tmp_path, prefix=None)
    client = app.test_client()
    client.environ_base["HTTP_X_USER"] = "ann"
    assert client.get("/").text == "the host's"
    assert client.get("/elsewhere").mimetype == "text/html"
    made = client.post("/webhooks", json=DOCUMENT)
    assert made.headers["location"].startswith("/webhooks/")
    with app.app_context():
        hooks.close()


def test_below_a_prefix_of_the_server_links_name_it(client: FlaskClient) -> None:
    base = "http://localhost/under"
    made = client.post("/api/v1/webhooks", json=DOCUMENT, base_url=base)
    assert made.headers["location"] == f"/under/api/v1/webhooks/{made.json['id']}"


def test_an_actor_may_be_awaited(tmp_path: Path) -> None:
    async def actor(request: Request) -> str | None:
        return who(request)

    app = Flask(__name__)
    app.config["WEBHOOKSUB_DATABASE"] = f"sqlite:///{tmp_path / 'hooks.db'}"
    hooks.init_app(app, actor=actor)
    app.register_blueprint(hooks.blueprint())
    client = app.test_client()
    assert client.get("/webhooks", headers={"x-user": "ann"}).status_code == 200
    assert client.get("/webhooks", headers={"x-user": "nobody"}).status_code == 401
    with app.app_context():
        hooks.close()


def test_two_apps_answer_for_their_own_stores(tmp_path: Path) -> None:
    counts = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        app = create_app(tmp_path / name)
        client = app.test_client()
        client.environ_base["HTTP_X_USER"] = "ann"
        if name == "first":
            client.post("/api/v1/webhooks", json=DOCUMENT)
        counts.append(client.get("/api/v1/webhooks").json["totalCount"])
        with app.app_context():
            hooks.close()
    assert counts == [1, 0]


def test_mounting_without_an_actor_is_refused(tmp_path: Path) -> None:
    app = Flask(__name__)
    app.config["WEBHOOKSUB_DATABASE"] = f"sqlite:///{tmp_path / 'hooks.db'}"
    hooks.init_app(app)
    with pytest.raises(ConfigurationError, match="actor: "):
        app.register_blueprint(hooks.blueprint())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("dev", "refused"), [(False, True), (True, False)])
def test_everybody_may_where_all_is_allowed_for_development(
    tmp_path: Path, dev: bool, refused: bool
) -> None:
    app = Flask(__name__)
    app.config["WEBHOOKSUB_DATABASE"] = f"sqlite:///{tmp_path / 'hooks.db'}"
    extension = Webhooksub(app, authorizer=allow_all, dev=dev)
    if refused:
        with pytest.raises(ConfigurationError, match="actor: "):
            app.register_blueprint(extension.blueprint())
        return
    app.register_blueprint(extension.blueprint())
    assert app.test_client().get("/webhooks").status_code == 200
    with app.app_context():
        extension.close()


def test_a_blueprint_without_its_extension_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="init_app"):
        Flask(__name__).register_blueprint(hooks.blueprint())


def test_a_dispatcher_without_an_extension_is_mounted_too() -> None:
    with Dispatcher.in_memory(authorizer=Members()) as dispatcher:
        with pytest.raises(ConfigurationError, match="actor: "):
            webhook_blueprint(dispatcher)
        app = Flask(__name__)
        app.register_blueprint(webhook_blueprint(dispatcher, who), url_prefix="/api")
        client = app.test_client()
        made = client.post(
            "/api/webhooks", data=json.dumps(DOCUMENT), headers=JSON | {"x-user": "ann"}
        )
        assert made.status_code == 201
        assert len(dispatcher.subscriptions(actor="ann")) == 1
