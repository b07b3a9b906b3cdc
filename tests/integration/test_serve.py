"""`webhooksub serve` as its customers and its supervisor see it: a process, on a socket."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from acme import PATH, Make
from commands import Running, options_to_reach, webhooksub
from redisd import free_port
from seen import wait_until
from served import Answer, ask

from webhooksub import Verifier
from webhooksub.serving import CONNECTIONS_MAX
from webhooksub.testing import Receiver

ROOT = Path(__file__).parent.parent.parent
SUBSCRIPTION = json.loads((ROOT / "examples" / "subscription.json").read_text())
ISSUER, AUDIENCE, SECRET = "https://login.example.com/", "webhooks", "s" * 40
Serve = Callable[..., Running]


def token(tenants: Any = "acme", **claims: Any) -> str:
    known = {"iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 86_400, "sub": "ann"}
    return jwt.encode(known | {"tenants": tenants} | claims, SECRET, algorithm="HS256")


MEMBER, OUTSIDER = token(["acme"]), token(["other"], sub="eve")


pytestmark = pytest.mark.stores("sqlite")
on_each_store = pytest.mark.stores("sqlite", "postgresql")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "hooks.db"


@pytest.fixture
def serve(tmp_path: Path, receiver: Receiver, kit: Any) -> Serve:
    """Starts it on the test's store, on a port that the kernel chooses."""

    def start(*options: str, port: int = 0) -> Running:
        key = tmp_path / "jwt.key"
        key.write_text(SECRET + "\n")
        who = ["--jwt-key-file", str(key), "--algorithm", "HS256"]
        who += ["--issuer", ISSUER, "--audience", AUDIENCE]
        reach = options_to_reach(receiver, tmp_path)
        where = ["--listen", f"127.0.0.1:{port}", "--database", kit.url]
        return webhooksub("serve", *where, *who, *reach, *options, folder=tmp_path)

    return start


def port_of(process: Running) -> int:
    return int(process.wait_to_say(r"serving http://127\.0\.0\.1:(\d+)/docs")[1])


def asking(process: Running) -> Callable[..., Answer]:
    """Requests by a token: ``ask(MEMBER, "GET", "/webhooks")``."""
    port = port_of(process)

    def ask_as(who: str, method: str, path: str, document: Any = None, **headers: str) -> Answer:
        return ask(port, method, path, document, authorization=f"Bearer {who}", **headers)

    return ask_as


# --- what its customers see ----------------------------------------------------------


@on_each_store
def test_a_member_subscribes_an_outsider_sees_nothing_and_the_key_works(
    serve: Serve, receiver: Receiver, make: Make
) -> None:
    with serve("--poll-ms", "30") as process:
        request = asking(process)
        document = SUBSCRIPTION | {"notificationUrl": receiver.url("/hook")}
        made = request(MEMBER, "POST", "/webhooks", document)
        assert made.status == 201, made.body
        at = made.headers["location"]

        theirs = request(OUTSIDER, "GET", at)
        nobodys = request(OUTSIDER, "GET", f"/webhooks/{uuid.uuid4()}")
        assert theirs.status == nobodys.status == 404
        assert theirs.body == nobodys.body
        assert request(OUTSIDER, "GET", "/webhooks").json()["totalCount"] == 0

        read = request(MEMBER, "GET", at)
        put = request(MEMBER, "PUT", at, read.json(), if_match=read.headers["etag"])
        assert put.status == 200, put.body
        publisher = make()
        publisher.publish(PATH, "update", {"n": 1})
        publisher.close()
        [hit] = receiver.wait_for(1)
        [notification] = Verifier(SUBSCRIPTION["integrityKey"]).verify(hit.body, hit.headers)
        assert notification.data == {"n": 1}
        assert process.end() == 0, process.said
    assert "Traceback" not in process.said


def test_a_token_that_does_not_verify_is_nobody_s(serve: Serve) -> None:
    wrong = [
        "nonsense",
        jwt.encode({"sub": "ann"}, "another secret, as long as that one", algorithm="HS256"),
        token(exp=int(time.time()) - 600),
        token(aud="others"),
        token(iss="https://elsewhere.example.com/"),
        token(sub=""),
        jwt.encode({"sub": "ann"}, None, algorithm="none"),
    ]
    with serve() as process:
        request = asking(process)
        for one in wrong:
            answer = request(one, "GET", "/webhooks")
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer"), one
        assert ask(port_of(process), "GET", "/webhooks").status == 401
        assert process.end() == 0


def test_claims_are_taken_by_the_names_they_are_given(serve: Serve) -> None:
    claims = ["--owner-claim", "email", "--root-claim", "tenant=org", "--root-claim"]
    with serve(*claims, "subscription=plans") as process:
        request = asking(process)
        ann = token(None, email="ann@example.com", org="acme", plans=["p1", 7])
        made = request(ann, "POST", "/webhooks", SUBSCRIPTION)
        assert (made.status, made.json()["owner"]) == (201, "ann@example.com")
        billing = SUBSCRIPTION | {"resource": "subscription/p1/license"}
        assert request(ann, "POST", "/webhooks", billing).status == 201
        other = SUBSCRIPTION | {"resource": "subscription/7/license"}
        assert request(ann, "POST", "/webhooks", other).status == 404
        assert request(MEMBER, "GET", "/webhooks").status == 401
        assert process.end() == 0


def test_everybody_may_read_what_the_api_is(serve: Serve) -> None:
    with serve("--base-path", "/hooks") as process:
        port = port_of(process)
        document = ask(port, "GET", "/openapi.json")
        assert document.json()["openapi"].startswith("3.1")
        assert document.json()["servers"] == [{"url": "/hooks"}]
        page = ask(port, "GET", "/docs")
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        made = asking(process)(MEMBER, "POST", "/webhooks", SUBSCRIPTION)
        assert made.headers["location"].startswith("/hooks/webhooks/")
        assert process.end() == 0


def test_keys_that_the_issuer_does_not_show_let_nobody_in(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/jwks.json"
    who = ["--jwks-url", url, "--issuer", ISSUER, "--audience", AUDIENCE]
    private = jwt.algorithms.ECAlgorithm  # a token of some key, whose issuer is away
    key = private.from_jwk(EC_KEY)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": int(time.time()) + 600}
    one = jwt.encode(claims, key, algorithm="ES256", headers={"kid": "k1"})
    with webhooksub("serve", "--listen", "127.0.0.1:0", *who, folder=tmp_path) as process:
        answer = asking(process)(one, "GET", "/webhooks")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert process.end() == 0
    assert "the issuer does not show its keys" in process.said
    assert "Traceback" not in process.said


EC_KEY = json.dumps(
    {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    }
)


# --- what its supervisor sees --------------------------------------------------------


@on_each_store
def test_health_and_an_order_to_end(serve: Serve) -> None:
    with serve() as process:
        port = port_of(process)
        for path in ("/healthz", "/readyz"):
            answer = ask(port, "GET", path)
            assert (answer.status, answer.json()) == (200, {"status": "ok"})
        assert process.end() == 0, process.said
        with pytest.raises(ConnectionRefusedError):
            ask(port, "GET", "/healthz")


@on_each_store
def test_a_request_and_an_attempt_under_way_are_finished(
    serve: Serve, receiver: Receiver, make: Make, kit: Any
) -> None:
    """The grace is for both together."""
    receiver.answer(delay=5)
    with serve("--poll-ms", "30") as process:
        request = asking(process)
        document = SUBSCRIPTION | {"notificationUrl": receiver.url("/hook")}
        at = request(MEMBER, "POST", "/webhooks", document).headers["location"]
        publisher = make()
        publisher.publish(PATH, "update", {"n": 1})
        publisher.close()
        receiver.wait_for(1)
        with socket.create_connection(("127.0.0.1", port_of(process)), timeout=20) as client:
            client.sendall(
                f"POST {at}/test HTTP/1.1\r\nHost: localhost\r\n"
                f"Authorization: Bearer {MEMBER}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            receiver.wait_for(2)
            process.tell(signal.SIGTERM)
            assert b'{"result":"delivered"}' in read_all(client)
        assert process.wait() == 0, process.said
    assert kit.sql("select state, attempts from webhooksub_delivery") == [(3, 1)]


def read_all(client: socket.socket) -> bytes:
    got = b""
    while part := client.recv(65_536):
        got += part
    return got


def test_a_connection_that_says_nothing_does_not_hold_up_the_end(serve: Serve) -> None:
    with serve("--grace-ms", "1000") as process:
        port = port_of(process)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as idle:
            idle.sendall(b"POST /webhooks HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
            begun = time.monotonic()
            assert process.end() == 0, process.said
            assert time.monotonic() - begun < 20
    assert "Traceback" not in process.said


def test_connections_past_the_limit_are_answered_503(serve: Serve) -> None:
    with serve() as process, contextlib.ExitStack() as stack:
        port = port_of(process)
        for _ in range(CONNECTIONS_MAX):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            idle.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert wait_until(lambda: ask(port, "GET", "/healthz").status == 503)
        stack.close()
        assert wait_until(lambda: ask(port, "GET", "/healthz").status == 200)
        assert process.end() == 0, process.said


def test_a_second_one_is_refused_and_told_who_delivers(serve: Serve) -> None:
    with serve() as first:
        port_of(first)
        with serve() as second:
            assert second.wait() == 2
            assert f"pid {first.pid}," in second.said
        with serve("--api-only") as beside:
            assert asking(beside)(MEMBER, "GET", "/webhooks").status == 200
            assert ask(port_of(beside), "GET", "/readyz").status == 200
            assert beside.end() == 0, beside.said
        assert first.end() == 0


@pytest.mark.stores("postgresql")
def test_a_second_one_on_a_server_delivers_too(
    serve: Serve, receiver: Receiver, make: Make, kit: Any
) -> None:
    with serve("--poll-ms", "30") as first, serve("--poll-ms", "30") as second:
        document = SUBSCRIPTION | {"notificationUrl": receiver.url("/hook")}
        at = asking(first)(MEMBER, "POST", "/webhooks", document).headers["location"]
        assert asking(second)(MEMBER, "GET", at).status == 200
        assert kit.sql("select count(*) from webhooksub_dispatcher where state = 1") == [(2,)]
        assert first.end() == 0, first.said
        publisher = make()
        publisher.publish(PATH, "update", {"n": 1})
        publisher.close()
        receiver.wait_for(1)
        assert second.end() == 0, second.said


def test_a_port_in_use_is_told_before_the_store_is_touched(serve: Serve, database: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve(port=port) as process:
            assert process.wait() == 2
            assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in process.said
    assert not database.exists()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], ["--jwt-key-file", "--jwks-url", "--issuer", "--audience", "--dev"]),
        (["--jwks-url", "https://login.example.com/keys"], ["issuer, audience: name both"]),
        (["--jwks-url", "http://login.example.com/keys"], ["jwks_url: must be https"]),
        (["--jwt-key-file", "nowhere"], ["nowhere"]),
        (["--jwt-key-file", "key", *["--issuer", "i", "--audience", "a"]], ["no key for RS256"]),
        (
            ["--jwt-key-file", "key", "--root-claim", "tenants", "--root-claim", "=x"],
            ["'tenants'", "'=x'"],
        ),
        (["--dev", "--issuer", "i", "--authorizer", "a:b"], ["--authorizer, --issuer"]),
        (["--dev", "--listen", "0.0.0.0:0"], ["loopback alone, not 0.0.0.0"]),
    ],
)
def test_a_mistake_is_told_and_ends_with_2(
    options: list[str], told: list[str], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("no PEM")
    with webhooksub("serve", *options, folder=tmp_path) as process:
        assert process.wait() == 2
        assert all(text in process.said for text in told), process.said
        assert "Traceback" not in process.said
        assert "no PEM" not in process.said
    assert not (tmp_path / "hooks.db").exists()


# --- for development -----------------------------------------------------------------


def test_for_development_one_command_is_enough(tmp_path: Path) -> None:
    with webhooksub("serve", "--dev", "--listen", "127.0.0.1:0", folder=tmp_path) as process:
        port = port_of(process)
        assert ask(port, "POST", "/webhooks", SUBSCRIPTION).status == 201
        assert "EVERYBODY WHO REACHES THIS PORT MAY DO EVERYTHING" in process.said
        stored = re.search(r"sqlite:///(\S+)", process.said)
        assert stored is not None
        assert Path(stored[1]).exists()
        assert process.end() == 0, process.said
    assert not Path(stored[1]).exists()
    assert list(tmp_path.iterdir()) == []


def test_for_development_a_page_of_the_web_cannot_ask(tmp_path: Path) -> None:
    with webhooksub("serve", "--dev", "--listen", "127.0.0.1:0", folder=tmp_path) as process:
        port = port_of(process)
        assert ask(port, "GET", "/webhooks", host=f"localhost:{port}").status == 200
        assert ask(port, "GET", "/webhooks", host=f"[::1]:{port}").status == 200
        assert ask(port, "GET", "/webhooks", host="rebound.example.com").status == 400
        form = {"content_type": "text/plain"}
        assert ask(port, "POST", "/webhooks", SUBSCRIPTION, **form).status == 415
        assert process.end() == 0


def test_for_development_a_named_store_stays(tmp_path: Path, database: Path) -> None:
    named = ["--database", f"sqlite:///{database}"]
    with webhooksub("serve", "--dev", "--listen", "[::1]:0", *named, folder=tmp_path) as process:
        process.wait_to_say(r"serving http://\[::1\]:\d+/docs")
        assert process.end() == 0
    assert database.exists()


# --- make serve ----------------------------------------------------------------------


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[tuple[Running, str]]:
    """What `make serve` runs, and the lines that it says to type."""
    script = str(ROOT / "examples" / "serve" / "start.py")
    with Running(script, str(tmp_path), "--port", str(free_port()), folder=ROOT) as process:
        port_of(process)
        steps = process.said[: process.said.index("webhooksub: ")]
        yield process, steps.replace("ours.json", str(tmp_path / "ours.json"))


def test_what_make_serve_says_to_type_gives_what_it_says(shown: tuple[Running, str]) -> None:
    process, steps = shown
    done = subprocess.run(
        ["bash", "-euc", steps], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    statuses = re.findall(r"HTTP/1\.1 (\d+)", done.stdout)
    assert statuses == ["201", "404", "404", "200"]
    not_found = re.findall(r'\{"type":"about:blank".*?\}', done.stdout)
    assert len(not_found) == 2
    assert len(set(not_found)) == 1
    assert '"totalCount":0' in done.stdout
    assert done.stdout.count('"hasIntegrityKey":true') == 2
    assert process.end() == 0
