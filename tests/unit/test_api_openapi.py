"""The OpenAPI document: valid, complete, and true. Its examples are sent and compared."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from asking import DOCUMENT, Client, content, header, serving
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from webhooksub import Catalog, allow_all, catalogs
from webhooksub.api import OPERATIONS, SubscriptionApi
from webhooksub.api.schemas import resource_pattern
from webhooksub.subscribing import server_made

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def api() -> Iterator[SubscriptionApi]:
    with serving() as (served, _):
        yield served


@pytest.fixture(scope="module")
def document(api: SubscriptionApi) -> dict[str, Any]:
    return api.openapi("/api")


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_another_catalog_makes_another_valid_document() -> None:
    catalog = Catalog.of("repos/{owner}/{repo}/issues/{number}")
    with serving(catalog=catalog, authorizer=allow_all) as (api, _):
        document = api.openapi()
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert list(document["webhooks"]) == [row[0] for row in catalog.rows]
    assert "security" not in document


def test_every_operation_is_in_it_and_nothing_else(document: dict[str, Any]) -> None:
    described = {
        (method.upper(), path, operation["operationId"])
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert described == {(o.method, o.path, o.operation_id) for o in OPERATIONS}
    assert document["security"] == [{"bearer": []}]


@pytest.mark.parametrize("key", ["", "k", "k" * 256])
def test_the_document_allows_the_keys_that_a_rotation_takes(
    api: SubscriptionApi, document: dict[str, Any], key: str
) -> None:
    ann = Client(api, "ann", "/api")
    schema = document["components"]["schemas"]["Rotation"]["properties"]["integrityKey"]
    path = f"/webhooks/{ann.create()}/rotate-secret"
    taken = ann.ask("POST", path, {"integrityKey": key}).status == 200
    assert Draft202012Validator(schema).is_valid(key) == taken


@pytest.mark.parametrize(
    "key", ["k", "a b", '"a b"', "k" * 255, "", " ", '""', '"', "\t", "é", "k" * 256]
)
def test_the_document_allows_no_idempotency_key_that_is_refused(
    api: SubscriptionApi, document: dict[str, Any], key: str
) -> None:
    parameters = document["paths"]["/webhooks"]["post"]["parameters"]
    [schema] = [p["schema"] for p in parameters if p["name"] == "Idempotency-Key"]
    ann = Client(api, "ann", "/api")
    answer = ann.ask("POST", "/webhooks", DOCUMENT, idempotency_key=key)
    taken = answer.status == 201
    assert Draft202012Validator(schema).is_valid(key) <= taken
    assert taken or b"Idempotency-Key" in answer.body


def test_it_is_served_to_everybody_as_it_is(api: SubscriptionApi) -> None:
    answer = Client(api, None, "/api").ask("GET", "/openapi.json")
    assert answer.body == api.openapi_json("/api")
    assert header(answer, "content-type") == "application/json"
    assert content(answer)["servers"] == [{"url": "/api"}]


def test_names_that_clients_choose_do_not_fill_memory(api: SubscriptionApi) -> None:
    for n in range(40):
        Client(api, None, f"/{n}").ask("GET", "/docs")
    assert len(api._made) <= 16


# --- the examples --------------------------------------------------------------------------


def resolve(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in found:
        place: Any = document
        for part in found["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        found = place
    return found


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    whole = schema | {"components": document["components"]}
    Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def contents(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Schema and value of every example."""
    places = [*document["paths"].values(), *document["webhooks"].values()]
    for item in places:
        for operation in item.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                for media in resolve(document, body).get("content", {}).values():
                    if "example" in media:
                        yield media["schema"], media["example"]
                    for example in media.get("examples", {}).values():
                        yield media["schema"], example["value"]


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for schema, value in contents(document):
        check(document, schema, value)
        checked += 1
    assert checked > 60


@pytest.mark.filterwarnings("ignore:no dispatcher")
def test_every_example_is_sent_and_answered_in_its_shape(document: dict[str, Any]) -> None:
    with serving() as (api, hooks):
        ann = Client(api, "ann", "/api")
        event = hooks.publish("tenant/acme/sidedrawer/s1/record/r9", "update").id
        id_ = ann.create()
        ann.ask("POST", f"/webhooks/{id_}/replay", {"since": "2020-01-01T00:00:00Z"})
        last = [o for o in OPERATIONS if o.method == "DELETE"]
        skipped = {"testWebhook"}  # sends: shown with a real endpoint below
        for operation in [o for o in OPERATIONS if o not in last] + last:
            if operation.operation_id in skipped:
                continue
            described = document["paths"][operation.path][operation.method.lower()]
            made = server_made(hooks.subscription(id_, actor="ann"))
            answer = ann.ask(
                operation.method,
                operation.path.replace("{id}", id_).replace("{eventId}", event),
                example_body(described, made),
                query=example_query(described),
            )
            response = described["responses"][str(operation.status)]
            assert answer.status == operation.status, (operation, answer)
            if "content" not in response:
                assert answer.body == b""
                continue
            [media] = response["content"].values()
            found = json.loads(answer.body)
            check(document, media["schema"], found)
            if operation.answer not in ("Explanation", "AttemptList"):
                assert shape(found) <= shape(media["example"]) | {"integrityKey"}


def example_body(described: dict[str, Any], made: dict[str, Any]) -> Any:
    """An example that repeats what the service made repeats what it made here."""
    if "requestBody" not in described:
        return b""
    [media, *_] = described["requestBody"]["content"].values()
    example = media["example"]
    return example | made if "id" in example else example


def example_query(described: dict[str, Any]) -> str:
    values = {p["name"]: p["example"] for p in described.get("parameters", []) if "example" in p}
    return "&".join(
        f"{name}={one}"
        for name, value in values.items()
        for one in (value if isinstance(value, list) else [value])
    )


def shape(value: dict[str, Any]) -> set[str]:
    """Names, also of a list's rows."""
    rows = value.get("data", [])
    return set(value) | {f"data.{name}" for row in rows for name in row}


def test_what_subscribers_are_sent_is_what_the_catalog_covers(document: dict[str, Any]) -> None:
    for (template, rules), (name, item) in zip(
        catalogs.SIDEDRAWER.rows, document["webhooks"].items(), strict=True
    ):
        assert name == template
        [media] = item["post"]["requestBody"]["content"].values()
        heard = [(entity, action) for entity, actions in rules for action in actions]
        assert len(media["examples"]) == len(heard)
        for (entity, action), example in zip(heard, media["examples"].values(), strict=True):
            value = example["value"]
            assert value["modificationType"] == action
            assert catalogs.SIDEDRAWER.covers(
                value["resource"], "any", [value["resourcePath"]], action
            ), entity


def test_the_file_of_the_example_is_the_document_s(document: dict[str, Any]) -> None:
    media = document["paths"]["/webhooks"]["post"]["requestBody"]["content"]["application/json"]
    file = json.loads((ROOT / "examples" / "subscription.json").read_text())
    assert file == media["example"]


@pytest.mark.parametrize(
    ("resource", "fits"),
    [
        ("tenant/t1/sidedrawer", True),
        ("tenant/auth0|1/sidedrawer/{sidedrawerId}/record", True),
        ("tenant/{tenantId}/sidedrawer", False),
        ("tenant/t1/sidedrawer/s1", False),
        ("tenant//sidedrawer", False),
        ("subscription/b-1/license", True),
    ],
)
def test_the_pattern_of_a_resource_says_what_the_catalog_says(resource: str, fits: bool) -> None:
    assert bool(re.search(resource_pattern(catalogs.SIDEDRAWER), resource)) is fits


# --- the page ------------------------------------------------------------------------------


class Page(HTMLParser):
    """Which elements there are, where links lead, and whether all that opens is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [given[n] or "" for n in ("href", "src") if n in given]
        if given.get("id"):
            self.ids.add(given["id"] or "")
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_shows_every_operation(api: SubscriptionApi) -> None:
    answer = Client(api, None).ask("GET", "/docs")
    page = Page(answer.body.decode())
    assert page.open == []
    assert {"script", "img", "link", "iframe"}.isdisjoint(page.tags)
    assert {o.operation_id for o in OPERATIONS} <= page.ids
    assert {link for link in page.links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= page.ids
    assert "default-src 'none'" in header(answer, "content-security-policy")
    assert header(answer, "content-type") == "text/html; charset=utf-8"
