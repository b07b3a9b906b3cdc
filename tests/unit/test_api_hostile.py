"""No input makes the API raise, or answer that it has a defect."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from asking import DOCUMENT, Client, serving
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from webhooksub.api import OPERATIONS, ApiRequest, SubscriptionApi

Api = tuple[SubscriptionApi, list[str]]

ODD = st.sampled_from(["", "%", "\x00", "\ud800", "ä", "a|b", "..", "://", "x" * 300, '"', "{id}"])
TEXT = st.text(max_size=40) | ODD
JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | TEXT
    | st.sampled_from([DOCUMENT["resource"], DOCUMENT["expirationDateTime"], "https://a.example/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [*DOCUMENT, "brandCode", "maxRetries", "delivery", "id", "owner", "status", "statusReason"]
    + ["connectionType", "notificationMessages", "createdAt", "hasIntegrityKey"]
    + ["eventId", "since", "until", "overlapSeconds"]
)
OBJECT = st.dictionaries(NAMES | TEXT, JSON, max_size=6)
DOCUMENTS = OBJECT.map(lambda changes: DOCUMENT | changes)
BODIES = (
    st.binary(max_size=60)
    | (OBJECT | DOCUMENTS | JSON).map(lambda value: json.dumps(value).encode())
    | st.sampled_from([b"[" * 5_000, b'{"a":' * 5_000, b"9" * 6_000, b"1e999", b"\xff", b"NaN"])
)
HEADERS = st.dictionaries(
    st.sampled_from(["if-match", "idempotency-key", "content-encoding", "accept", "x"]),
    TEXT,
    max_size=3,
)
KINDS = st.sampled_from(["application/json", "application/merge-patch+json", "text/plain", ""])
QUERY = st.lists(
    st.tuples(
        st.sampled_from(["resource", "status", "brandCode", "cursor", "limit", "state", "since"])
        | st.sampled_from(["until", "path", "action", "event", "x"]),
        TEXT
        | st.sampled_from(["active", "dead", "update", "2026-01-01T00:00:00Z", "9" * 25])
        | st.sampled_from(["tenant/acme/sidedrawer/s1/record/r1", "AQGiEb4n7XJDvREznjsh4R4"])
        | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]),
    ),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


@pytest.fixture(scope="module")
def served() -> Iterator[Api]:
    """With subscriptions of two tenants, and without a way to send."""
    with serving(config={"subscriptions_per_root_max": 50}) as (api, _):
        ids = [Client(api, "ann").create() for _ in range(3)]
        ids.append(Client(api, "eve").create(resource="tenant/evil/sidedrawer"))
        yield api, ids


OPERATION_IDS = [o.operation_id for o in OPERATIONS if o.operation_id != "testWebhook"]


@pytest.mark.parametrize("name", OPERATION_IDS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_request_to_an_operation_is_a_defect(served: Api, name: str, data: Any) -> None:
    api, ids = served
    [operation] = [o for o in OPERATIONS if o.operation_id == name]
    id_ = data.draw(st.sampled_from(ids) | TEXT | st.uuids().map(str))
    event = data.draw(TEXT | st.just(str(uuid.uuid4())))
    path = operation.path.replace("{id}", id_).replace("{eventId}", event)
    headers = data.draw(HEADERS) | {"content-type": data.draw(KINDS)}
    request = ApiRequest(
        operation.method,
        path,
        data.draw(QUERY),
        headers,
        data.draw(BODIES),
        data.draw(st.sampled_from(["ann", "eve", "nobody", None])),
        data.draw(st.sampled_from(["", "/api", "/ä"])),
    )
    judge(api, request)


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "", "\x00", "PUT"]) | TEXT,
    path=TEXT | st.lists(TEXT, max_size=4).map(lambda parts: "/webhooks/" + "/".join(parts)),
    query=TEXT,
    body=BODIES,
)
def test_no_request_at_all_is_a_defect(method: str, path: str, query: str, body: bytes) -> None:
    with serving() as (api, _):
        judge(api, ApiRequest(method, path, query, {}, body, "ann"))


def judge(api: SubscriptionApi, request: ApiRequest) -> None:
    answer = api.answer(request)
    assert 200 <= answer.status < 500, answer
    for name, value in answer.headers:
        assert (name + value).isprintable()
        assert value.isascii()
    kinds = dict(answer.headers)
    if answer.status == 204 or request.method == "HEAD":
        assert answer.body == b""
    elif kinds["content-type"] != "text/html; charset=utf-8":
        found = json.loads(answer.body)
        assert answer.status < 400 or found["status"] == answer.status
