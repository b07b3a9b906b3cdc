"""A real request of a real dispatcher is shown to a framework's view once, and no other is."""

import http.client
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import receiving_apps
from acme import KEY, PATH, RECORDS
from seen import wait_until

from webhooksub import ConfigurationError, Dispatcher, _core, allow_all
from webhooksub.receiving import MemorySeen, Receipt, Receiving, Refusal
from webhooksub.testing import Receiver


class Signed(NamedTuple):
    """A request as it was sent to a receiver."""

    body: bytes
    headers: dict[str, str]

    def but(self, body: bytes | None = None, **changed: str | None) -> "Signed":
        """With other headers (``_`` for ``-``; None takes one away) or another body."""
        headers = self.headers | {n.replace("_", "-"): v for n, v in changed.items()}
        kept = {n: v for n, v in headers.items() if v is not None}
        return Signed(self.body if body is None else body, kept)

    def at(self, moment: float, key: str = KEY) -> "Signed":
        """Signed anew, as at another time or under another key."""
        text = str(int(moment))
        id_ = self.headers["webhook-id"]
        hash_, signature = _core.sign([_core.decode_key(key)], id_, int(moment), self.body)
        return self.but(webhook_timestamp=text, webhook_signature=signature, integrityhash=hash_)


Send = Callable[..., tuple[int, bytes, http.client.HTTPMessage]]
Deliver = Callable[..., Signed]


@pytest.fixture(scope="module")
def deliver() -> Iterator[Deliver]:
    """Answers a request with a new notification, or a batch of several."""
    with Receiver() as receiver, Dispatcher.in_memory(authorizer=allow_all, dev=True) as hooks:
        for resource, fields in (
            (RECORDS, {}),
            (
                f"{PATH}/files",
                {"delivery": {"batch": {"maxNotifications": 10, "lingerMs": 50}}},
            ),
        ):
            hooks.subscribe(
                resource,
                "any",
                receiver.url("/hook"),
                expires=timedelta(days=1),
                integrity_key=KEY,
                **fields,
            )

        def one(batch: int = 0) -> Signed:
            receiver.requests.clear()
            if batch:
                hooks.publish_many([(f"{PATH}/files/f{n}", "create") for n in range(batch)])
            else:
                hooks.publish(PATH, "update", {"name": "Taxes"})
            hooks.flush(10)
            [request] = receiver.requests
            return Signed(request.body, {n.lower(): v for n, v in request.headers.items()})

        yield one


@pytest.fixture(scope="module", params=list(receiving_apps.APPS))
def send(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Send]:
    """POSTs to the framework's endpoint; answers status, body and headers."""
    folder = tmp_path_factory.mktemp("endpoint")
    command = [sys.executable, receiving_apps.__file__, request.param, str(folder)]
    with (folder / "stderr").open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    port = server.stdout.readline()  # type: ignore[union-attr]
    assert port, (folder / "stderr").read_text()

    def post(
        signed: Signed, path: str = "/hook", method: str = "POST"
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        client = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
        skipped = ("host", "content-length", "accept", "connection")
        headers: Mapping[str, str] = {n: v for n, v in signed.headers.items() if n not in skipped}
        try:
            client.request(method, path, signed.body, headers)
            answer = client.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            client.close()

    yield post
    server.terminate()
    server.wait(20)
    server.stdout.close()  # type: ignore[union-attr]


def ids(signed: Signed) -> list[str]:
    found = json.loads(signed.body)
    return [item["id"] for item in (found if isinstance(found, list) else [found])]


# --- what the view is shown ----------------------------------------------------------------


def test_a_signed_request_reaches_the_view(send: Send, deliver: Deliver) -> None:
    signed = deliver()
    status, body, _ = send(signed)
    assert (status, json.loads(body)) == (200, [signed.headers["webhook-id"]])


def test_a_repeated_one_is_answered_without_the_view(send: Send, deliver: Deliver) -> None:
    signed = deliver()
    assert send(signed)[0] == 200
    assert [send(signed)[:2] for _ in range(2)] == [(204, b""), (204, b"")]


def test_a_later_attempt_of_the_same_notification_is_a_repetition(
    send: Send, deliver: Deliver
) -> None:
    signed = deliver()
    assert send(signed)[0] == 200
    assert send(signed.at(time.time() + 5))[0] == 204


def test_of_a_batch_the_view_is_shown_what_is_new(send: Send, deliver: Deliver) -> None:
    batch = deliver(batch=3)
    first, second, third = ids(batch)
    half = Signed(json.dumps(json.loads(batch.body)[:2]).encode(), batch.headers)
    assert json.loads(send(half.at(time.time()))[1]) == [first, second]
    assert json.loads(send(batch)[1]) == [third]
    assert send(batch)[0] == 204


@pytest.mark.parametrize("path", ["/raise", "/refuse"])
def test_what_the_view_failed_at_is_new_again(send: Send, deliver: Deliver, path: str) -> None:
    signed = deliver()
    assert send(signed, path)[0] == 500
    status, body, _ = send(signed)
    assert (status, json.loads(body)) == (200, ids(signed))


def test_what_another_request_works_on_is_to_be_sent_again(send: Send, deliver: Deliver) -> None:
    signed, other = deliver(), deliver()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(send, signed, "/slow")
        assert wait_until(lambda: send(signed, "/entered", "GET")[1].lower() == b"true", 30)
        status, _, headers = send(signed)
        assert (status, headers["retry-after"]) == (503, "5")
        assert send(other)[0] == 200
        send(other, "/release", "GET")
        assert slow.result(30)[0] == 200
    assert send(signed)[0] == 204


# --- what it is not shown ------------------------------------------------------------------


def test_a_body_that_was_changed_is_refused(send: Send, deliver: Deliver) -> None:
    signed = deliver()
    forged = signed.but(signed.body.replace(b"Taxes", b"Texas"))
    status, body, _ = send(forged)
    assert (status, b"Texas" in body) == (403, False)
    assert send(signed)[0] == 200


@pytest.mark.parametrize("age", [-400, 400])
def test_a_request_out_of_the_window_is_refused(send: Send, deliver: Deliver, age: int) -> None:
    signed = deliver()
    assert send(signed.at(time.time() - age))[0] == 403
    assert send(signed.at(time.time() - age * 0.6))[0] == 200


def test_a_timestamp_is_not_to_be_renewed_by_whoever_recorded_it(
    send: Send, deliver: Deliver
) -> None:
    recorded = deliver().at(time.time() - 1_000)
    assert send(recorded.but(webhook_timestamp=str(int(time.time()))))[0] == 403


def test_another_key_is_refused(send: Send, deliver: Deliver) -> None:
    assert send(deliver().at(time.time(), key="another key of 24 bytes, or more"))[0] == 403


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_must_be_there(send: Send, deliver: Deliver, name: str) -> None:
    signed = deliver()
    assert send(signed.but(**{name: None}))[0] == 403
    assert send(signed)[0] == 200


def test_a_signature_without_a_time_is_refused(send: Send, deliver: Deliver) -> None:
    bare = deliver().but(webhook_id=None, webhook_timestamp=None, webhook_signature=None)
    assert "integrityhash" in bare.headers
    assert send(bare)[0] == 403


def test_a_body_that_is_too_large_is_refused(send: Send, deliver: Deliver) -> None:
    large = deliver().but(b" " * (receiving_apps.BODY_MAX + 1))
    assert send(large)[0] == 413
    assert send(large.but(b" " * receiving_apps.BODY_MAX))[0] == 403


# --- what only one framework does ------------------------------------------------------------


@pytest.mark.parametrize("size", [0, receiving_apps.BODY_MAX])
def test_flask_reads_a_body_of_unknown_length_up_to_the_limit(
    deliver: Deliver, tmp_path: Path, size: int
) -> None:
    signed = deliver()
    client = receiving_apps.flask_app(tmp_path).test_client()
    answer = client.post(
        "/hook",
        input_stream=io.BytesIO(signed.body + b" " * size),
        headers={n: v for n, v in signed.headers.items() if n != "content-length"},
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": ""},
    )
    assert answer.status_code == (413 if size else 200)


ATOMIC = """
import sys
from http import HTTPStatus
import django
from django.conf import settings

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db", "ATOMIC_REQUESTS": True
        }
    },
)
django.setup()
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from acme import KEY
from webhooksub.receiving import MemorySeen, Receiving
from webhooksub.receiving.django import receives

with connection.cursor() as cursor:
    cursor.execute("CREATE TABLE folder (id INTEGER PRIMARY KEY)")
    cursor.execute(
        "CREATE TABLE record (folder INTEGER REFERENCES folder (id) DEFERRABLE INITIALLY DEFERRED)"
    )
now = [1_000.0]

@receives(Receiving(KEY, seen=MemorySeen(clock=lambda: now[0], busy_s=60)))
def hook(request, notifications):
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO record VALUES (17)")  # no such folder: the commit fails
    return HttpResponse()

urlpatterns = [path("hook", hook)]
client = Client(raise_request_exception=False)
body, headers = open("body", "rb").read(), dict(eval(open("headers").read()))

def send():
    return client.post("/hook", body, content_type="application/json", headers=headers)

assert send().status_code == 500
now[0] += 61
assert send().status_code == 500, "it was taken for done"
with connection.cursor() as cursor:
    cursor.execute("INSERT INTO folder VALUES (17)")
now[0] += 61
assert send().status_code == 200
assert send().status_code == 204
"""


def test_django_ends_a_notification_with_the_commit_of_the_views_transaction(
    deliver: Deliver, tmp_path: Path
) -> None:
    signed = deliver()
    (tmp_path / "body").write_bytes(signed.body)
    wanted = {n: v for n, v in signed.headers.items() if n.startswith(("webhook-", "integrity"))}
    (tmp_path / "headers").write_text(repr(wanted))
    (tmp_path / "atomic.py").write_text(ATOMIC)
    support = Path(receiving_apps.__file__).parent
    done = subprocess.run(
        [sys.executable, "atomic.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(support)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


# --- without a framework -------------------------------------------------------------------


def receive(receiving: Receiving, signed: Signed) -> Receipt | Refusal:
    return receiving.receive(signed.body, signed.headers)


def test_keys_may_be_asked_for_at_each_request(deliver: Deliver) -> None:
    keys = ["another key of 24 bytes, or more"]
    receiving = Receiving(lambda: keys)
    signed = deliver()
    assert isinstance(receive(receiving, signed), Refusal)
    keys.append(KEY)
    receipt = receive(receiving, signed)
    assert isinstance(receipt, Receipt)
    assert [n.id for n in receipt.notifications] == ids(signed)


def test_without_seen_everything_that_verifies_is_shown(deliver: Deliver) -> None:
    receiving, signed = Receiving(KEY), deliver()
    for _ in range(2):
        receipt = receive(receiving, signed)
        assert isinstance(receipt, Receipt)
        assert not receipt.repeated
        receipt.done()


def test_a_batch_with_a_busy_notification_leaves_the_others_new(deliver: Deliver) -> None:
    seen = MemorySeen()
    receiving, batch = Receiving(KEY, seen=seen), deliver(batch=2)
    seen.begin(ids(batch)[1:])
    refused = receive(receiving, batch)
    assert isinstance(refused, Refusal)
    assert refused.status == 503
    seen.forget(ids(batch)[1:])
    receipt = receive(receiving, batch)
    assert isinstance(receipt, Receipt)
    assert [n.id for n in receipt.notifications] == ids(batch)


def test_a_signature_without_a_time_is_taken_where_it_is_asked_for(deliver: Deliver) -> None:
    bare = deliver().but(webhook_id=None, webhook_timestamp=None, webhook_signature=None)
    assert isinstance(receive(Receiving(KEY), bare), Refusal)
    assert isinstance(receive(Receiving(KEY, require_standard=False), bare), Receipt)


def test_a_key_that_is_none_is_refused_when_it_is_given() -> None:
    with pytest.raises(ConfigurationError):
        Receiving("")
