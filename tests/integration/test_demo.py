"""The demo, small: what it proves, and that its prover can fail."""

import json
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from webhooksub import _core, catalogs
from webhooksub.demo.endpoint import Endpoint
from webhooksub.demo.expect import expected, notification_id
from webhooksub.demo.folder import Folder, read_lines
from webhooksub.demo.receiver import fails
from webhooksub.demo.world import items, wishes

KEY = "5f" * 16
FIGURES = [
    "published",
    "matched",
    "delivered",
    "posts",
    "retried",
    "dead",
    "verified",
    "unverified",
    "lost",
    "seconds",
    "deliveries_per_second",
    "latency_ms",
]


def demo(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "webhooksub", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=cwd)


def figures(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def in_state(folder: Path, state: int) -> int:
    with closing(sqlite3.connect(folder / "hooks.db")) as connection:
        sql = "select count(*) from webhooksub_delivery where state = ?"
        [(count,)] = connection.execute(sql, (state,)).fetchall()
    return int(count)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run of 600 events that was kept."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    done = demo("--events", "600", "--json", "--keep", folder)
    assert done.returncode == 0, done.stderr
    return folder, figures(done)


# --- what it shows -------------------------------------------------------------------


def test_the_figures_are_those_of_both_ends(ran: tuple[Path, dict[str, Any]]) -> None:
    folder, told = ran
    lines = list(read_lines(folder / "received.jsonl"))
    accepted = {line["webhook_id"] for line in lines if line["status"] == 204}
    assert list(told) == FIGURES
    assert told["published"] == 600
    assert told["matched"] == told["delivered"] == len(accepted) == in_state(folder, 3) > 300
    assert told["posts"] == told["verified"] == len(lines) > told["delivered"]
    assert (told["lost"], told["unverified"], told["dead"]) == (0, 0, 0)
    assert 0.05 < told["retried"] / told["delivered"] < 0.2
    assert 0 < told["latency_ms"]["p50"] <= told["latency_ms"]["p99"]


def test_openssl_finds_the_kept_hashes(ran: tuple[Path, dict[str, Any]]) -> None:
    folder, told = ran
    bodies = sorted((folder / "kept").glob("*.body"))
    assert len(bodies) == told["posts"] // 100 > 0
    for body in bodies:
        key = body.with_suffix(".key").read_text()
        command = ["openssl", "dgst", "-sha256", "-hmac", key, str(body)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert said.split()[-1] == body.with_suffix(".hash").read_text()


def test_every_resource_of_the_catalog_is_heard_for_each_tenant() -> None:
    made = wishes(catalogs.SIDEDRAWER)
    assert len(made) == 4 * len(catalogs.SIDEDRAWER.rows)
    assert {wish.modification_type for wish in made} == {"any", "create", "update", "delete"}


def test_what_is_kept_is_for_its_owner_alone(ran: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = ran
    assert folder.stat().st_mode & 0o077 == 0
    for name in ("keys.json", "receiver.key", "hooks.db", "published.jsonl", "received.jsonl"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name


def test_batches_need_fewer_requests(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = demo("--events", "600", "--batch", "50", "--json", "--keep", folder)
    assert done.returncode == 0, done.stderr
    told = figures(done)
    assert told["lost"] == 0
    assert told["delivered"] == told["matched"] == in_state(folder, 3)
    assert told["posts"] < told["delivered"] / 2


def test_people_get_a_table_and_the_schedule(tmp_path: Path) -> None:
    done = demo("--events", "50", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "retries after 0.2, 0.5, 1, 2, 4 s" in done.stdout
    assert any(line.split() == ["lost", "0"] for line in done.stdout.splitlines())
    assert list(tmp_path.iterdir()) == []


# --- killed and resumed --------------------------------------------------------------


def test_a_killed_run_is_finished_by_the_next(tmp_path: Path) -> None:
    for seconds in ("0.5", "2", "5"):  # a slow machine has published nothing so soon
        folder = tmp_path / seconds
        died = demo("--events", "20000", "--kill9-after", seconds, "--keep", folder)
        assert died.returncode == -signal.SIGKILL, died.stderr
        published = sum(1 for _ in read_lines(folder / "published.jsonl"))
        if published > 0:
            break
    assert published > 0
    assert in_outbox(folder) > 0, "nothing was in flight"
    done = demo("--resume", folder, "--json")
    assert done.returncode == 0, done.stderr
    told = figures(done)
    assert (told["published"], told["lost"], told["unverified"]) == (published, 0, 0)
    assert told["delivered"] == in_state(folder, 3) >= told["matched"]


def in_outbox(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "hooks.db")) as connection:
        [(count,)] = connection.execute("select count(*) from webhooksub_outbox").fetchall()
    return int(count)


def test_a_run_on_another_database_is_resumed_from_anywhere(tmp_path: Path) -> None:
    keep = ("--keep", "kept", "--database", "sqlite:///other.db")
    died = demo("--events", "9000", "--kill9-after", "0.2", *keep, cwd=tmp_path)
    assert died.returncode == -signal.SIGKILL, died.stderr
    done = demo("--resume", tmp_path / "kept", "--json", cwd=tmp_path.parent)
    assert (done.returncode, figures(done)["lost"]) == (0, 0), done.stderr
    assert not (tmp_path / "kept" / "hooks.db").exists()


def test_a_killed_run_leaves_no_receiver_behind(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    demo("--events", "20000", "--kill9-after", "0.1", "--keep", folder)
    port = json.loads((folder / "demo.json").read_text())["port"]
    deadline = time.monotonic() + 10
    while listens(port):
        assert time.monotonic() < deadline, "the receiver outlives its parent"
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path) -> None:
    done = demo("--resume", tmp_path)
    assert done.returncode == 2
    assert "holds no run" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--kill9-after", "1"), ("--resume", ".", "--events", "1"), ("--events", "0")],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    assert demo(*arguments, cwd=tmp_path).returncode == 2


def test_a_database_in_use_is_left_alone(ran: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = ran
    before = in_state(folder, 3)
    done = demo("--events", "1", "--database", f"sqlite:///{folder / 'hooks.db'}")
    assert done.returncode == 2
    assert "database of its own" in done.stderr
    assert in_state(folder, 3) == before


# --- the prover can fail -------------------------------------------------------------


def test_a_notification_that_was_not_received_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert demo("--events", "60", "--keep", folder).returncode == 0
    received = folder / "received.jsonl"
    lines = received.read_text().splitlines(keepends=True)
    one = next(line for line in lines if '"status":204' in line)
    received.write_text("".join(line for line in lines if line != one))
    done = demo("--resume", folder, "--json")
    assert done.returncode == 1
    assert figures(done)["lost"] == 1
    assert "lost: event" in done.stderr
    assert "the two ends disagree" in done.stderr


def test_the_scan_hears_what_the_catalog_covers() -> None:
    catalog = catalogs.SIDEDRAWER
    subscriptions = [
        {
            "id": _core.uuid_text(_core.uuid7(n)),
            "resource": wish.resource,
            "modification_type": wish.modification_type,
        }
        for n, wish in enumerate(wishes(catalog), 1)
    ]
    events = [
        {"id": str(n), "paths": list(paths), "action": action}
        for n, (paths, action, _, _) in enumerate(items(catalog, 400))
    ]
    covered = {
        (event["id"], one["id"])
        for event in events
        for one in subscriptions
        if catalog.covers(
            one["resource"], one["modification_type"], event["paths"], event["action"]
        )
    }
    assert set(expected(catalog.rows, subscriptions, events)) == covered
    assert len(covered) > 200


def test_an_id_on_the_wire_follows_from_event_and_subscription() -> None:
    event, subscription = _core.uuid7(1), _core.uuid7(2)
    texts = _core.uuid_text(event), _core.uuid_text(subscription)
    assert notification_id(*texts) == _core.notification_id(event, subscription)


def test_a_tenth_fails_at_first_and_nothing_for_ever() -> None:
    ids = [f"msg_{n:032x}" for n in range(1_000)]
    assert sum(fails(id_, 0) for id_ in ids) == 100
    assert 0 < sum(fails(id_, 1) for id_ in ids) < 100
    assert not any(fails(id_, 2) for id_ in ids)


# --- the receiver --------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    made.prepare({"/hooks/1": KEY})
    return made


def post(
    endpoint: Endpoint, folder: Folder, body: bytes, *, key: str = KEY, path: str = "/hooks/1"
) -> bytes:
    """A signed request as raw bytes."""
    id_, now = json.loads(body)["id"], int(time.time())
    integrity, standard = _core.sign([_core.decode_key(key)], id_, now, body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nwebhook-id: {id_}\r\n"
        f"webhook-timestamp: {now}\r\nwebhook-signature: {standard}\r\n"
        f"IntegrityHash: {integrity}\r\n\r\n"
    )
    return head.encode() + body


def connect(endpoint: Endpoint, folder: Folder) -> ssl.SSLSocket:
    context = ssl.create_default_context(cadata=folder.authority.decode())
    raw = socket.create_connection(("127.0.0.1", endpoint.port), timeout=10)
    return context.wrap_socket(raw, server_hostname="localhost")


def body(n: int) -> bytes:
    """Never one of those that fail at first."""
    return json.dumps({"id": f"msg_{n:031x}1", "rawTime": "2026-01-01T00:00:00.000Z"}).encode()


def statuses(folder: Folder) -> list[tuple[int, bool]]:
    return [(line["status"], line["verified"]) for line in read_lines(folder.received)]


def test_a_wrong_key_does_not_verify(folder: Folder) -> None:
    with Endpoint(folder) as endpoint, connect(endpoint, folder) as connection:
        connection.sendall(post(endpoint, folder, body(1), key="60" * 16))
        assert connection.recv(1024).startswith(b"HTTP/1.1 401 ")
        connection.sendall(post(endpoint, folder, body(2)))
        assert connection.recv(1024).startswith(b"HTTP/1.1 204 ")
        connection.sendall(post(endpoint, folder, body(3), path="/hooks/2"))
        assert connection.recv(1024).startswith(b"HTTP/1.1 401 ")
    assert statuses(folder) == [(401, False), (204, True), (401, False)]


def test_a_request_may_come_in_pieces_or_with_the_next(folder: Folder) -> None:
    with Endpoint(folder) as endpoint, connect(endpoint, folder) as connection:
        requests = post(endpoint, folder, body(1)) + post(endpoint, folder, body(2))
        for start in range(0, len(requests), 100):
            connection.sendall(requests[start : start + 100])
        answers = b""
        while answers.count(b"\r\n\r\n") < 2:
            answers += connection.recv(1024)
    assert answers == b"HTTP/1.1 204 No Content\r\n\r\n" * 2
    assert statuses(folder) == [(204, True)] * 2


def test_a_line_stands_before_its_answer_is_sent(folder: Folder) -> None:
    with Endpoint(folder) as endpoint, connect(endpoint, folder) as connection:
        for n in range(20):
            connection.sendall(post(endpoint, folder, body(n)))
            assert connection.recv(1024).startswith(b"HTTP/1.1 204 ")
            assert len(statuses(folder)) == n + 1


def test_what_is_no_request_is_answered_400_and_ends(folder: Folder) -> None:
    with Endpoint(folder) as endpoint, connect(endpoint, folder) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1024).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(1024) == b""
    assert statuses(folder) == []


def test_a_line_that_was_never_finished_is_dropped(folder: Folder) -> None:
    with Endpoint(folder) as endpoint, connect(endpoint, folder) as connection:
        connection.sendall(post(endpoint, folder, body(1)))
        connection.recv(1024)
    with open(folder.received, "ab") as file:
        file.write(b'{"request":2,"webh')
    with Endpoint(folder) as endpoint, connect(endpoint, folder) as connection:
        connection.sendall(post(endpoint, folder, body(2)))
        connection.recv(1024)
    assert [line["request"] for line in read_lines(folder.received)] == [1, 2]


def test_the_receiver_imports_nothing_of_the_product() -> None:
    script = Path(sys.modules[fails.__module__].__file__ or "")
    code = (
        f"import runpy, sys; runpy.run_path({str(script)!r})\n"
        "assert not any(name.split('.')[0] == 'webhooksub' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=30)
