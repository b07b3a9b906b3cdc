"""What the tests of stores share: a clock that stands still, rows to write, every store.

A test that asks for `kit` runs on SQLite and on PostgreSQL, one that asks for `store`, `hooks` or
`url` also in memory; ``@pytest.mark.stores("sqlite")`` says that it concerns these alone.
"""

import os
import signal
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from groups import pytest_collection_modifyitems, pytest_terminal_summary
from hypothesis import HealthCheck, settings

from webhooksub.config import Config
from webhooksub.events import DeliveryState, Outcome, SubscriptionStatus
from webhooksub.store import Store, open_store
from webhooksub.store.base import DispatcherInfo, NewEvent, SubscriptionRecord

__all__ = ["pytest_collection_modifyitems", "pytest_terminal_summary"]

# No example may fail because the machine stood still. Examples are drawn by a fixed seed, and
# depend on little else: constants of modules that were imported before are drawn as well.
# `make explore` draws by another seed each time.
settings.register_profile("any", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("any"), derandomize=True, database=None)
settings.load_profile("same")

# What a shell runs in the background ignores Ctrl-C and hands that on; there are tests of it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = "tenant/acme"
DAY = 86_400_000


class Clock:
    """UTC milliseconds that move only when told to."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> None:
        self.now += ms


@dataclass
class GivenReports:
    """Rows as the C core's Reports gives them, written down by hand."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)
    tried: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[tuple[int]] = field(default_factory=list)
    changed: list[tuple[int, str, int]] = field(default_factory=list)
    news: list[tuple[int, int | None]] = field(default_factory=list)
    waited: list[tuple[int, int, bool]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    def deliveries(self, now_ms: int) -> list[tuple[Any, ...]]:
        return list(self.rows)

    def waiting(self, now_ms: int) -> list[tuple[Any, ...]]:
        return [row for row in self.rows if row[2] == int(DeliveryState.WAITING)]

    def attempts(self) -> list[tuple[Any, ...]]:
        return list(self.tried)

    def done(self) -> list[tuple[int]]:
        return list(self.ended)

    def dead(self) -> list[tuple[int, int]]:
        return [row[:2] for row in self.rows if row[2] == int(DeliveryState.DEAD)]

    def subscriptions(self) -> list[tuple[int, str, int]]:
        return list(self.changed)

    def claimed(self) -> list[tuple[int, int, bool]]:
        return list(self.waited)

    def origins(self) -> list[tuple[int, int | None]]:
        return list(self.news)


def _server() -> Any:
    """PostgreSQL's, with what it needs: a wheel is also tried without."""
    from postgres import shared_server  # noqa: PLC0415

    return shared_server()


class Kit:
    """Makes rows, and stores of one kind to put them in."""

    def __init__(self, folder: Path, kind: str = "sqlite") -> None:
        self.clock = Clock()
        self.folder, self.kind = folder, kind
        self.made: list[Store] = []
        self._numbers = count(1)
        self._resources = ExitStack()
        self._schema = ""

    def another(self, folder: Path) -> "Kit":
        """Of the same kind, with a store of its own."""
        return Kit(folder, self.kind)

    def close(self) -> None:
        for store in self.made:
            store.close(timeout=5)
        self._resources.close()

    @property
    def url(self) -> str:
        """Of the store that :meth:`store` opens."""
        if self.kind == "postgresql":
            return _server().url(self.schema)
        return "memory://" if self.kind == "memory" else f"sqlite:///{self.path}"

    def store(self, url: str = "", **settings: Any) -> Store:
        """An open store; on the same tables every time unless `url` names another."""
        store = self.closed_store(url, **settings)
        store.open()
        return store

    def closed_store(self, url: str = "", **settings: Any) -> Any:
        """The same, not open yet."""
        store = open_store(url or self.url, Config.of(**settings).store, self.clock)
        self.made.append(store)
        return store

    @property
    def path(self) -> Path:
        """Of SQLite's file."""
        return self.folder / "hooks.db"

    @property
    def schema(self) -> str:
        """PostgreSQL's, of this kit alone."""
        if not self._schema:
            self._schema = self._resources.enter_context(_server().schema())
        return self._schema

    def connect(self) -> Any:
        """To PostgreSQL, beside the store."""
        return _server().connect(self.schema)

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement answers, from a connection beside the store; it is committed."""
        if self.kind == "postgresql":
            with self.connect() as other:
                cursor = other.execute(statement.replace("?", "%s"), parameters or None)
                return cursor.fetchall() if cursor.description else []
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement, parameters).fetchall()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Somebody else's transaction, which lets others read and nobody write."""
        if self.kind == "postgresql":
            everything = ", ".join("webhooksub_" + name for name in ("event", "delivery", "outbox"))
            with closing(self.connect()) as other:
                other.execute(f"LOCK TABLE {everything}, webhooksub_subscription IN EXCLUSIVE MODE")
                yield
                other.rollback()  # which the server has heard of when it returns
            return
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def die(self, store: Any, *, long_ago: bool = True) -> None:
        """What kill -9 leaves: the rows as they are, a lock that is free; on PostgreSQL also
        that time has passed since, as others see it."""
        process = store._process
        seq, process.dispatcher = process.dispatcher, None
        process.lock.release()
        if long_ago and self.kind == "postgresql":
            dead = "UPDATE webhooksub_dispatcher SET heartbeat_at = 0 WHERE seq = ?"
            self.sql(dead, seq)

    def id(self) -> bytes:
        """Like a UUIDv7: the time first."""
        return self.clock.now.to_bytes(6, "big") + next(self._numbers).to_bytes(10, "big")

    def event(self, n: int | str = 1, *, root: str = ROOT, **fields: Any) -> NewEvent:
        paths = (f"{root}/sidedrawer/s1/record/r{n}",)
        given = {"open_id": None, "data": b'{"n":1}', "action": 2, "paths": paths, "root": root}
        return NewEvent(id=self.id(), **(given | fields))

    def events(self, many: int, **fields: Any) -> list[NewEvent]:
        return [self.event(n, **fields) for n in range(many)]

    def subscribe(self, store: Store, host: str = "one", **fields: Any) -> SubscriptionRecord:
        given: dict[str, Any] = {
            "id": self.id(),
            "root": ROOT,
            "owner": "ann",
            "resource": f"{ROOT}/sidedrawer/s1/record",
            "action": 4,
            "channel": 1,
            "url": f"https://{host}.example/hook",
            "socket_event": None,
            "expires_at": self.clock.now + DAY,
            "expires_text": "2029-07-07T14:40:40-03:00",
            "brand_code": None,
            "max_retries": None,
            "options": "{}",
            "status": int(SubscriptionStatus.ACTIVE),
            "origin": f"https://{host}.example:443",
            "keys": (b"k" * 32,),
        }
        return store.add_subscription(**(given | fields))

    def info(self, host: str = "here") -> DispatcherInfo:
        return DispatcherInfo(self.id(), host, os.getpid(), "0.1")

    # --- reports -----------------------------------------------------------------------

    def delivered(
        self, pairs: Sequence[tuple[int, SubscriptionRecord]], *, attempts: int = 1
    ) -> GivenReports:
        """Successes that end their events."""
        rows = [self._row(e, s, DeliveryState.DELIVERED, attempts, 200) for e, s in pairs]
        return GivenReports(rows, [], [(e,) for e, _ in pairs])

    def failed(
        self, event: int, sub: SubscriptionRecord, *, delay: int = 1_000, attempts: int = 1
    ) -> GivenReports:
        """A failure that will be tried again, and ends its event's fan-out."""
        at = self.clock.now + delay
        row = self._row(event, sub, DeliveryState.WAITING, attempts, 500, next_at=at)
        tried = (event, sub.seq, None, attempts, self.clock.now, 12, 500, 2, "192.0.2.1", b"no")
        return GivenReports([row], [tried], [(event,)])

    def ended(self, event: int, sub: SubscriptionRecord, state: DeliveryState) -> GivenReports:
        return GivenReports([self._row(event, sub, state, 1, 500)], [], [(event,)])

    def spilled(self, pairs: Sequence[tuple[int, SubscriptionRecord]]) -> GivenReports:
        """Never attempted, due now."""
        now = self.clock.now
        rows = [
            self._row(e, s, DeliveryState.WAITING, 0, None, next_at=now, outcome=Outcome.SPILLED)
            for e, s in pairs
        ]
        return GivenReports(rows, [], [(e,) for e, _ in pairs])

    def _row(
        self,
        event: int,
        sub: SubscriptionRecord,
        state: DeliveryState,
        attempts: int,
        status: int | None,
        *,
        next_at: int | None = None,
        outcome: Outcome | None = None,
    ) -> tuple[Any, ...]:
        if outcome is None:
            outcome = Outcome.SUCCESS if status == 200 else Outcome.HTTP_ERROR
        origin = sub.origin_seq or 0
        measured = (None, status, int(outcome), 12, self.clock.now)
        return (event, sub.seq, int(state), attempts, next_at, origin, *measured)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store_kind" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("stores")
        anywhere = {"store", "hooks", "url"} & set(metafunc.fixturenames)
        kinds = ["sqlite", "postgresql"] + ["memory"] * bool(anywhere)
        chosen = kinds if marker is None else marker.args
        metafunc.parametrize("store_kind", chosen, indirect=True)


@pytest.fixture
def store_kind(request: pytest.FixtureRequest) -> str:
    """Of the stores of this test: sqlite, postgresql or memory."""
    given: str = request.param
    return given


@pytest.fixture
def kit(tmp_path: Path, store_kind: str) -> Iterator[Kit]:
    made = Kit(tmp_path, store_kind)
    yield made
    made.close()


@pytest.fixture
def store(kit: Kit) -> Store:
    """An open store of each kind, without a dispatcher."""
    return kit.store()


@pytest.fixture
def dispatching(store: Store, kit: Kit) -> Store:
    """The same, with the dispatcher's role."""
    store.begin_dispatching(kit.info())
    return store
