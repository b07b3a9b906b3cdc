"""`webhooksub worker` as its supervisor sees it: a process, its signals, its health."""

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acme import PATH, Make
from commands import Running, options_to_reach, webhooksub
from seen import wait_until

from webhooksub import Dispatcher, SubscriptionInfo
from webhooksub.testing import Receiver

Subscribe = Callable[..., SubscriptionInfo]
STATE = "select state, attempts from webhooksub_delivery"
WAITING, DELIVERED = 1, 3


@pytest.fixture
def publisher(make: Make, subscribe: Subscribe) -> Dispatcher:
    """In this process, with one subscription; it does not deliver."""
    hooks = make()
    subscribe(hooks)
    return hooks


@pytest.fixture
def worker(kit: Any, tmp_path: Path, receiver: Receiver) -> Callable[..., Running]:
    """Starts one on the same store."""

    def start(*options: str) -> Running:
        reach = options_to_reach(receiver, tmp_path)
        given = (*reach, "--database", kit.url, "--poll-ms", "30", *options)
        return webhooksub("worker", *given, folder=tmp_path)

    return start


def ask(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_delivers_what_others_publish_and_ends_in_order(
    publisher: Dispatcher, worker: Callable[..., Running], receiver: Receiver
) -> None:
    with worker() as process:
        process.wait_to_say("delivering from")
        publisher.publish(PATH, "update", {"n": 1})
        receiver.wait_for(1)
        assert process.end() == 0, process.said
        assert "Traceback" not in process.said


def test_what_is_in_flight_at_sigterm_is_finished(
    publisher: Dispatcher, worker: Callable[..., Running], receiver: Receiver, kit: Any
) -> None:
    receiver.answer(delay=1.5)
    with worker() as process:
        process.wait_to_say("delivering from")
        publisher.publish(PATH, "update", {"n": 1})
        assert wait_until(lambda: receiver.connections == 1)
        assert process.end() == 0, process.said
    assert kit.sql(STATE) == [(DELIVERED, 1)]
    assert len(receiver.requests) == 1


def test_the_grace_ends_what_does_not_and_it_is_not_lost(
    publisher: Dispatcher, worker: Callable[..., Running], receiver: Receiver, kit: Any
) -> None:
    receiver.answer(delay=60)
    with worker("--grace-ms", "300", "--total-timeout-ms", "90000") as process:
        process.wait_to_say("delivering from")
        publisher.publish(PATH, "update", {"n": 1})
        assert wait_until(lambda: receiver.connections == 1)
        assert process.end() == 0, process.said
    receiver.answer()
    with worker("--retry-steps-ms", "50") as process:
        process.wait_to_say("delivering from")
        assert wait_until(lambda: kit.sql(STATE) == [(DELIVERED, 2)]), process.said
    assert {r.headers["webhook-id"] for r in receiver.requests} == {
        receiver.requests[0].headers["webhook-id"]
    }


@pytest.mark.stores("sqlite")
def test_a_second_one_is_refused_and_told_who_delivers(
    publisher: Dispatcher, worker: Callable[..., Running]
) -> None:
    with worker() as first:
        first.wait_to_say("delivering from")
        with worker() as second:
            assert second.wait() == 2
            assert f"pid {first.pid}," in second.said
            assert "Traceback" not in second.said
        assert first.end() == 0


@pytest.mark.stores("sqlite")
def test_a_port_in_use_is_told_before_the_store_is_touched(
    worker: Callable[..., Running], kit: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with worker("--health", address) as process:
            assert process.wait() == 2
            assert f"cannot listen on {address}: Address already in use" in process.said
            assert len(process.said.splitlines()) == 1
    assert not kit.path.exists()


def test_health_follows_the_dispatcher(worker: Callable[..., Running]) -> None:
    with worker("--health", "127.0.0.1:0") as process:
        url = process.wait_to_say(r"(http://\S+)/readyz")[1]
        process.wait_to_say("delivering from")
        assert ask(url + "/healthz") == ask(url + "/readyz") == (200, {"status": "ok"})
        assert process.end() == 0, process.said
    with pytest.raises(urllib.error.URLError):
        ask(url + "/healthz")


def test_a_store_that_does_not_answer_is_not_ready(
    worker: Callable[..., Running], kit: Any
) -> None:
    with worker("--health", "127.0.0.1:0") as process:
        url = process.wait_to_say(r"(http://\S+)/readyz")[1]
        process.wait_to_say("delivering from")
        kit.sql("alter table webhooksub_meta rename to elsewhere")
        status, body = ask(url + "/readyz")
        kit.sql("alter table elsewhere rename to webhooksub_meta")
        assert (status, body["status"]) == (503, "unavailable")
        assert body["reason"].startswith("the database failed")
        assert wait_until(lambda: ask(url + "/readyz")[0] == 200)
        assert process.end() == 0, process.said


def test_one_whose_work_was_taken_over_ends_with_1(
    worker: Callable[..., Running], kit: Any
) -> None:
    with worker("--heartbeat-ms", "100") as process:
        process.wait_to_say("delivering from")
        kit.sql("update webhooksub_dispatcher set state = 3")
        assert process.wait() == 1
        assert "has stopped by itself" in process.said


def test_the_service_s_authorizer_says_who_may_still_receive(
    publisher: Dispatcher, worker: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "service.py").write_text(
        "from webhooksub.authorizer import AllowAll\n"
        "class Nobody(AllowAll):\n"
        "    def still_allowed(self, owner_id, root):\n"
        "        return False\n"
        "nobody = Nobody()\n"
    )
    with worker("--authorizer", "service:nobody", "--recheck-ms", "50") as process:
        process.wait_to_say("disabled")
        assert process.end() == 0
    [info] = publisher.subscriptions()
    assert info.status.name == "DISABLED"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--grace-ms", "soon", "--poll-ms", "0"], ["grace_ms", "poll_ms"]),
        (["--health", "8000"], ["'8000' is no HOST:PORT"]),
        (["--health", "nowhere.invalid:80"], ["cannot listen on nowhere.invalid:80"]),
        (["--authorizer", "os:path"], ["no Authorizer: it has no allows"]),
        (["--catalog", "os:path"], ["no Catalog"]),
        (["--database", "nonsense"], ["nonsense"]),
        (["--no-such-setting", "1"], ["--no-such-setting"]),
    ],
)
def test_a_mistake_is_told_and_ends_with_2(
    options: list[str], told: list[str], tmp_path: Path
) -> None:
    with webhooksub("worker", *options, folder=tmp_path) as process:
        assert process.wait() == 2
        assert all(text in process.said for text in told), process.said
        assert "Traceback" not in process.said


def test_without_the_extra_health_is_refused_by_its_name(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from webhooksub.cli import main; main(['worker', '--health', '127.0.0.1:0'])"
    )
    with Running("-c", code, folder=tmp_path) as process:
        assert process.wait() == 2
        assert "pip install 'webhooksub[serve]'" in process.said


def test_both_signals_end_it(worker: Callable[..., Running]) -> None:
    with worker() as process:
        process.wait_to_say("delivering from")
        os.kill(process.pid, 2)
        assert process.wait() == 0, process.said
