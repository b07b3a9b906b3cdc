"""The request that repeats a delivery is the one that an attempt sent, but for its moment."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import KEY, PATH, RECORDS, Make
from click.testing import CliRunner, Result

from webhooksub import Dispatcher, NotFound, SubscriptionInfo, ValidationError, Verifier
from webhooksub.cli import main
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]
DRAWER = RECORDS.rpartition("/")[0]
PERSON = "tenant/acme/network/auth0|12"
CHANGES = ("webhook-timestamp", "webhook-signature")


@pytest.mark.parametrize(
    ("fields", "path", "data", "more"),
    [
        ({}, PATH, {"name": "Grüße \u2028 'q' \"q\" \\ </script>"}, {}),
        ({"brand_code": "b'ü"}, PATH, None, {}),
        ({"resource": PERSON}, (DRAWER + "/network/n1", PERSON), b"[1.10,1e400]", {}),
        ({"delivery": {"batch": {"maxNotifications": 10, "lingerMs": 1}}}, PATH, [], {}),
        ({"delivery": {"headers": {"X-Own": "it's"}}}, PATH, 1, {}),
        ({"integrity_key": None}, PATH, 1, {}),
        ({"delivery": {"headers": {"Traceparent": "own"}}}, PATH, 1, {"traceparent": True}),
        (
            {"delivery": {"batch": {"maxNotifications": 2, "lingerMs": 1}}},
            PATH,
            1,
            {"traceparent": True},
        ),
        ({}, PATH, 1, {"integrity_encoding": "base64", "integrity_header": "X-Sum"}),
    ],
)
def test_it_has_the_bytes_and_headers_of_the_attempt(
    make: Make,
    receiver: Receiver,
    subscribe: Subscribe,
    fields: dict[str, Any],
    path: Any,
    data: Any,
    more: dict[str, Any],
) -> None:
    hooks = make(config=more).start()
    info = subscribe(hooks, **fields)
    event = hooks.publish(path, "update", data, open_id="auth0|9")
    assert hooks.flush(timeout=10).delivered == 1
    [sent] = receiver.requests
    request = hooks.request(event.id, info.id)
    assert (request.url, request.body) == (receiver.url("/hook"), sent.body)
    given = {name.lower(): value for name, value in request.headers}
    assert len(given) == len(request.headers)
    for name, value in sent.headers.items():
        if name.lower() not in ("host", "content-length", "accept", *CHANGES):
            assert given[name.lower()] == value, name
    theirs = {n.lower() for n in sent.headers} - {"host", "content-length", "accept"}
    assert set(given) == theirs


def test_it_is_signed_now_and_shows_no_key(
    make: Make, receiver: Receiver, subscribe: Subscribe
) -> None:
    hooks = make().start()
    info = subscribe(hooks)
    event = hooks.publish(PATH, "update")
    hooks.flush(timeout=10)
    request = hooks.request(event.id, info.id)
    Verifier(KEY, require_standard=True).verify(request.body, request.headers)
    assert KEY not in repr(request) + str(request.headers)
    assert "signature" not in repr(request)


def test_what_is_not_covered_or_has_no_url_has_none(hooks: Dispatcher, receiver: Receiver) -> None:
    info = hooks.subscribe(RECORDS, "create", receiver.url(), expires=timedelta(days=1))
    event = hooks.publish(PATH, "update")
    with pytest.raises(NotFound, match="does not cover"):
        hooks.request(event.id, info.id)
    with pytest.raises(NotFound, match="no such event"):
        hooks.request(info.id, info.id)
    with pytest.raises((NotFound, ValidationError)):
        hooks.request(event.id, event.id)


# --- as a command --------------------------------------------------------------------


def as_curl(folder: Path, event: str, subscription: str) -> Result:
    database = f"sqlite:///{folder / 'hooks.db'}"
    command = ["delivery", event, subscription, "--as-curl", "--database", database]
    return CliRunner().invoke(main, command)


@pytest.mark.stores("sqlite")
@pytest.mark.parametrize("size", [10, 400_000])
def test_the_curl_command_repeats_the_request_and_verifies(
    make: Make, receiver: Receiver, subscribe: Subscribe, tmp_path: Path, size: int
) -> None:
    hooks = make().start()
    info = subscribe(hooks, "/it's?a=$(b)&c=d")
    event = hooks.publish(PATH, "update", {"text": "@'\"$(id)`id`\\n ü " * (size // 10)})
    assert hooks.flush(timeout=20).delivered == 1
    shown = as_curl(tmp_path, event.id, info.id)
    assert shown.exit_code == 0, shown.output
    assert KEY not in shown.output
    (tmp_path / "ca.pem").write_bytes(receiver.ca_pem)
    quiet = f"curl --disable --silent --cacert {tmp_path}/ca.pem"
    script = shown.stdout.replace("curl --disable", quiet, 1)
    for shell in ("sh", "bash"):
        subprocess.run([shell], input=script, text=True, check=True, timeout=30)
    first, *repeated = receiver.requests
    assert [one.body for one in repeated] == [first.body] * 2
    assert {one.headers["webhook-id"] for one in receiver.requests} == {first.headers["webhook-id"]}
    assert len(receiver.notifications(KEY, require_standard=True)) == 3


def test_a_command_and_json_do_not_go_together(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["delivery", "a", "b", "--as-curl", "--json"])
    assert (done.exit_code, "--as-curl" in done.stderr) == (2, True)
