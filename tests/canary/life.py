"""A service's life with secrets in it, in a process of its own: ``life.py FOLDER [CHAPTER …]``.

The secrets come on standard input. All that the process shows while it lives is kept below
FOLDER, by place: ``canary.py`` looks there for them. Locals of a frame are judged here, because
only here they are: what a traceback that shows locals would tell of any frame of ours.
"""

import contextlib
import gc
import json
import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import careless
from forms import Secret, all_of, forms

import webhooksub
from webhooksub import Dispatcher, Subscription, Verifier, WebhooksubError, allow_all
from webhooksub.api import ApiRequest, SubscriptionApi
from webhooksub.config import Config
from webhooksub.testing import Receiver

PACKAGE = str(Path(webhooksub.__file__).parent) + os.sep
# What hides secrets has them in its hands.
_HIDES = PACKAGE + "secret.py"
RECORDS = "tenant/acme/sidedrawer/s{}/record"
DAY = timedelta(days=1)
CHAPTERS = ("subscriptions", "errors", "deliveries", "api", "commands")


class Places:
    """Files below a folder, by what they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def keep(self, place: str, content: object) -> None:
        shown = content if isinstance(content, bytes) else str(content).encode(errors="replace")
        with self._lock, (self._folder / place).open("ab") as file:
            file.write(shown + b"\n")

    def keep_files(self, place: str, paths: Iterator[Path]) -> None:
        """Copied as they are now: what lies there may be overwritten later."""
        for path in sorted(paths):
            self.keep(place, path.read_bytes())

    def keep_error(self, error: BaseException) -> None:
        """Its words and all that led to it, as a log shows it."""
        for told in (repr(error), str(error), error.args, getattr(error, "__notes__", "")):
            self.keep("exceptions", told)
        self.keep("exceptions", "".join(traceback.format_exception(error)))


class Frames:
    """Looks at the locals of every frame of ours when it ends, by return or by exception."""

    def __init__(self, places: Places, secrets: list[Secret]) -> None:
        self._places, self.looked_at = places, 0
        self._needles = [n.decode("latin-1") for s in secrets for f in forms(s).values() for n in f]
        self._files: dict[str, bool] = {}

    def start(self) -> None:
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def stop(self) -> None:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
        self._places.keep("frames", f"{self.looked_at} frames")

    def _look(self, frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename
        if event != "return" or not name.startswith(PACKAGE) or name == _HIDES:
            return
        self.looked_at += 1
        shown = _represented(frame.f_locals)
        if any(needle in shown for needle in self._needles):
            place = f"{name.removeprefix(PACKAGE)}:{frame.f_lineno} {frame.f_code.co_name}"
            self._places.keep("frames", f"{place} {shown}")


def _represented(values: dict[str, Any]) -> str:
    try:
        return repr(values)
    except Exception:  # an object that is half made has no repr, and shows nothing
        return " ".join(_one(value) for value in values.values())


def _one(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return ""


class Life:
    """What happens. No local of it holds a secret: they are asked for where they are given."""

    def __init__(self, folder: Path, places: Places, given: dict[str, str]) -> None:
        self.folder, self.places, self._given = folder, places, given
        self.made: dict[str, str] = {}  # secrets that were made by us
        self.database = folder / "store" / "hooks.db"
        self.kept: list[object] = []

    def secret(self, name: str) -> str:
        return self._given[name]

    @contextlib.contextmanager
    def dispatcher(self, **settings: Any) -> Iterator[Dispatcher]:
        config = Config.from_env().replace(
            keyring_file=None if careless.no_keyring() else str(self.folder / "keyring"),
            retry_steps_ms=(60_000,),
            lifecycle=("removed", "disabled"),
            poll_ms=30,
        )
        url = f"sqlite:///{self.database}"
        hooks = Dispatcher(url, authorizer=allow_all, dev=True, config=config, **settings)
        self.kept += [config, hooks]
        try:
            yield hooks
        finally:
            hooks.close(grace=0)

    # --- chapters --------------------------------------------------------------------

    def subscriptions(self) -> None:
        with self.dispatcher() as hooks:
            for n, name in enumerate(("plain", "whsec", "long")):
                self.kept.append(self._subscribe(hooks, n, "https://localhost/", name))
            info = hooks.subscriptions()[0]
            self.kept.append(hooks.update(info.id, integrity_key=self.secret("changed")))
            given = hooks.rotate_secret(info.id, integrity_key=self.secret("rotated"))
            made = hooks.rotate_secret(info.id)
            assert made.integrity_key is not None
            self.made["made"] = made.integrity_key
            self.kept += [given, made, hooks.subscriptions(), hooks.subscription(info.id)]
            value = hooks.parse(self._document(5, "document"))
            self.kept += [value, hooks.subscribe(value), self._verifier()]
            for page in (hooks._store.subscriptions(roots=None), hooks._store.changes(0)):
                self.kept.append(page)
            if not careless.no_keyring():
                self.kept.append(hooks.rotate_keys())
            self.places.keep_files("database, WAL", self.database.parent.glob("hooks.db*"))
        self._look_at_values()

    def errors(self) -> None:
        with self.dispatcher() as hooks:
            mine = self._subscribe(hooks, 9, "https://localhost/", "plain")
            for call in self._mistakes(hooks, mine.id):
                self._expect(call)
            self._expect_broken_store(hooks, mine.id)
        self._expect(lambda: self._subscribe(hooks, 1, "https://localhost/", "plain"))

    def deliveries(self) -> None:
        with Receiver() as receiver, self.dispatcher() as hooks:
            hooks.start()
            infos = [
                self._subscribe(hooks, n, receiver.url(f"/{name}"), name)
                for n, name in enumerate(("plain", "whsec", "long"), 20)
            ]
            hooks.rotate_secret(infos[0].id, integrity_key=self.secret("rotated"))
            receiver.script([500, 200])
            for n in range(20, 23):
                hooks.publish(RECORDS.format(n) + "/r1", "update", {"n": n})
            hooks.flush(timeout=10)
            self.kept += [hooks.send_test(info.id) for info in infos]
            self.kept += [hooks.deliveries(), hooks.explain(RECORDS.format(20) + "/r1", "update")]
            self.places.keep_files("database, WAL", self.database.parent.glob("hooks.db*"))
            hooks.unsubscribe(infos[1].id)
            hooks._lifecycle.wait(10)
            self.places.keep("JSON", json.dumps(hooks.stats()))
            assert len(receiver.requests) >= 7
            for request in receiver.requests:
                head = "\r\n".join(f"{n}: {v}" for n, v in request.headers.items())
                told = f"{request.method} {request.path}\r\n{head}\r\n\r\n".encode() + request.body
                self.places.keep("requests", told)
        self.places.keep_files("database, WAL", self.database.parent.glob("hooks.db*"))

    def api(self) -> None:
        with self.dispatcher() as hooks:
            api = SubscriptionApi(hooks)

            def ask(method: str, path: str, body: bytes = b"") -> dict[str, Any]:
                kind = "application/json"
                headers = {"content-type": kind} if body else {}
                request = ApiRequest(method, path, "", headers, body, "ann")
                answer = api.answer(request)
                self.places.keep("repr", f"{request!r} {answer!r}")
                self.places.keep("JSON", b"%d " % answer.status + answer.body)
                found: dict[str, Any] = {} if path == "/docs" else json.loads(answer.body)
                return found

            id_ = ask("POST", "/webhooks", self._document(30, "document").encode())["id"]
            ask("PUT", f"/webhooks/{id_}", self._document(30, "changed").encode())
            ask("PATCH", f"/webhooks/{id_}", self._patch("rotated"))
            ask("POST", f"/webhooks/{id_}/rotate-secret", self._patch("plain"))
            ask("POST", f"/webhooks/{id_}/rotate-secret", self._patch("plain")[:-1])
            ask("POST", "/webhooks", self._document(31, "wrong").encode())
            ask("POST", "/webhooks", b"[" + self._document(31, "plain").encode() + b"]")
            for path in ("/webhooks", f"/webhooks/{id_}", "/openapi.json", "/docs", "/nothing"):
                ask("GET", path)
            self.kept.append(api)

    def commands(self) -> None:
        environ = os.environ | {
            "WEBHOOKSUB_DATABASE": f"sqlite:///{self.database}",
            "WEBHOOKSUB_KEYRING_FILE": str(self.folder / "keyring"),
        }
        if careless.no_keyring():
            del environ["WEBHOOKSUB_KEYRING_FILE"]
        for words in ("status --json", "doctor --json", "rotate-keys --json", "export"):
            command = [sys.executable, "-m", "webhooksub", *words.split()]
            done = subprocess.run(command, env=environ, capture_output=True, timeout=60)
            self.places.keep("commands", done.stdout + done.stderr)
        self._crash_a_worker(environ)

    # --- pieces ----------------------------------------------------------------------

    def _subscribe(self, hooks: Dispatcher, n: int, url: str, name: str) -> Any:
        return hooks.subscribe(
            RECORDS.format(n), "any", url, expires=DAY, integrity_key=self.secret(name)
        )

    def _document(self, n: int, name: str) -> str:
        return json.dumps(
            {
                "modificationType": "any",
                "notificationUrl": "https://example.com/hook",
                "resource": RECORDS.format(n),
                "expirationDateTime": "2099-07-07T14:40:40-03:00",
                "integrityKey": self.secret(name),
            }
        )

    def _patch(self, name: str) -> bytes:
        return json.dumps({"integrityKey": self.secret(name)}).encode()

    def _verifier(self) -> Verifier:
        return Verifier([self.secret("plain"), self.secret("whsec")])

    def _mistakes(self, hooks: Dispatcher, id_: str) -> list[Callable[[], object]]:
        """Calls that are refused while a secret is in their hands."""
        secret, document = self.secret, self._document
        return [
            lambda: self._subscribe(hooks, 1, "http://localhost/", "plain"),
            lambda: self._subscribe(hooks, 1, "https://localhost/", "wrong"),
            lambda: hooks.update(id_, integrity_key=secret("wrong")),
            lambda: hooks.update(id_, integrity_key=secret("plain"), revision=1),
            lambda: hooks.update(id_, integrity_key=secret("plain"), unknown=1),
            lambda: hooks.rotate_secret(id_, integrity_key=secret("wrong")),
            lambda: hooks.rotate_secret(id_, integrity_key=secret("plain"), overlap=-DAY),
            lambda: hooks.rotate_secret("no id", integrity_key=secret("plain")),
            lambda: [hooks.rotate_secret(id_, integrity_key=secret("plain")) for _ in range(11)],
            lambda: hooks.parse(document(1, "wrong")),
            lambda: hooks.parse(document(1, "plain") + secret("plain")),
            lambda: hooks.parse(document(1, "plain").replace("any", "never")),
            lambda: Subscription.from_json(document(1, "wrong")),
            lambda: Verifier(secret("wrong")),
            lambda: Verifier([secret("plain")] * 11),
            lambda: Config.of(keyring=secret("keyring").replace(":", "-")),
            lambda: Config.of(keyring=secret("keyring"), keyring_file="x", unknown=1),
            lambda: Config.from_env({"WEBHOOKSUB_KEYRING": secret("keyring")[:-4] + "===="}),
        ]

    def _expect(self, call: Callable[[], object]) -> None:
        try:
            call()
        except (WebhooksubError, TypeError, ValueError) as error:
            self.places.keep_error(error)
            logging.getLogger("host").exception("refused")
        else:
            raise AssertionError("a mistake was not refused")

    def _expect_broken_store(self, hooks: Dispatcher, id_: str) -> None:
        """The database fails in the statement that has a key in its hands."""
        table = "webhooksub_secret"
        write = hooks._store._process.write  # type: ignore[attr-defined]
        write(lambda t: t.cursor.execute(f"alter table {table} rename to gone"))
        self._expect(lambda: hooks.rotate_secret(id_, integrity_key=self.secret("plain")))
        self._expect(lambda: self._subscribe(hooks, 8, "https://localhost/", "long"))
        write(lambda t: t.cursor.execute(f"alter table gone rename to {table}"))

    def _look_at_values(self) -> None:
        for value in self.kept:
            self.places.keep("repr", f"{value!r} {value} {value:}")
            with contextlib.suppress(TypeError, AttributeError):
                self.places.keep("JSON", value.to_json())  # type: ignore[attr-defined]
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                # What holds a key refuses.
                with contextlib.suppress(TypeError, AttributeError, pickle.PicklingError):
                    self.places.keep("pickle", pickle.dumps(value, protocol))

    def look_at_objects(self) -> None:
        """Everything of ours that lives."""
        gc.collect()
        for value in gc.get_objects():
            if str(type(value).__module__).startswith("webhooksub"):
                self.places.keep("repr", _one(value))

    def _crash_a_worker(self, environ: dict[str, str]) -> None:
        """By a signal that leaves an image of the memory, in a folder made for it."""
        place = self.folder / "crash"
        place.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-m", "webhooksub", "worker", "--poll-ms", "30"],
            cwd=place,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_let_dump,
        )
        assert process.stderr is not None
        while b"delivering" not in (line := process.stderr.readline()):
            assert line, "the worker did not start"
            self.places.keep("commands", line)
        proc = Path("/proc") / str(process.pid)
        limits = (proc / "limits").read_text().splitlines()
        core = next(line for line in limits if line.startswith("Max core"))
        kept = (proc / "coredump_filter").read_text().strip()
        self.places.keep("core dump", f"{core}; filter {kept}")
        self.places.keep("command line", (proc / "cmdline").read_bytes())
        process.send_signal(6)
        out, err = process.communicate(timeout=30)
        self.places.keep("commands", out + err)
        for path in place.iterdir():
            self.places.keep("core dump", b"LEFT BEHIND " + path.read_bytes())
        assert core.split()[4] == "0", core
        assert int(kept, 16) == 0, kept


def _let_dump() -> None:
    """As where a host lets its processes leave images."""
    import resource  # noqa: PLC0415 - in the child alone

    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))


def log_to(places: Places) -> None:
    """Everything that anybody logs, in full."""

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            places.keep("logs", self.format(record))
            places.keep("logs", f"{record.__dict__}")

    root = logging.getLogger()
    root.setLevel(logging.DEBUG)
    root.addHandler(Kept())
    logging.captureWarnings(True)
    warnings.simplefilter("always")


def main() -> None:
    folder, chapters = Path(sys.argv[1]), sys.argv[2:] or list(CHAPTERS)
    given = json.load(sys.stdin)
    places = Places(folder / "places")
    for name in ("places", "store"):
        (folder / name).mkdir()
    (folder / "keyring").write_text(given["keyring"])
    (folder / "keyring").chmod(0o600)
    log_to(places)
    careless.apply(os.environ.get("CANARY_SABOTAGE", ""))
    life, frames = Life(folder, places, given), Frames(places, all_of(given))
    frames.start()
    try:
        for chapter in chapters:
            getattr(life, chapter)()
        life.look_at_objects()
    finally:
        frames.stop()
    (folder / "made.json").write_text(json.dumps(life.made))


if __name__ == "__main__":
    main()
