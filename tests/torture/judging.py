"""Who judges a tortured process: the file it left, and what came to the receiver.

The file is read by SQLite alone. Then a dispatcher to whom nothing happens takes it over: it
must deliver whatever was acknowledged, and leave nothing claimed or queued.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from scenario import EVENTS, SETTINGS, Told

from webhooksub import Dispatcher, WebhooksubError, allow_all
from webhooksub.testing import Receiver

SECONDS_MAX = 60
_STUCK = """
    SELECT (SELECT count(*) FROM webhooksub_outbox),
        (SELECT count(*) FROM webhooksub_delivery WHERE state = 2)
"""
_PRESENT = "SELECT CAST(data AS TEXT) ->> 'n' FROM webhooksub_event"


@dataclass
class Judged:
    """What is wrong; nothing should be."""

    false_acknowledgements: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    kept: int = 0  # refused, and in the file nevertheless

    @property
    def good(self) -> bool:
        return not (self.false_acknowledgements or self.stuck or self.leaks or self.unsaid)


def acknowledged(path: Path) -> tuple[set[str], set[int]]:
    """Paths of subscriptions, numbers of events."""
    words = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    return (
        {word for kind, word in words if kind == "subscribed"},
        {int(word) for kind, word in words if kind == "published"},
    )


def judge(database: Path, acks: Path, told: Told, receiver: Receiver, fresh: bool) -> Judged:
    judged = Judged()
    paths, numbers = acknowledged(acks)
    paths = paths if fresh else {"/a", "/b"}
    if told.leaked:
        judged.leaks.append(told.leaked)
    if told.failed and not (told.said or told.events or told.flushed):
        judged.unsaid.append("neither an error nor an operator event nor an end")
    judged.unsaid += told.odd
    try:
        _look(database, numbers, told, judged)
        _take_over(database, receiver, paths, numbers, judged)
    except (sqlite3.Error, WebhooksubError) as error:
        judged.stuck.append(f"{type(error).__name__}: {error}")
    if told.flushed:
        return judged
    # One failure is over at once: what was tried again must have worked.
    if not told.said:
        judged.stuck.append("not at its end, and nothing said")
    return judged


def _look(database: Path, numbers: set[int], told: Told, judged: Judged) -> None:
    with closing(sqlite3.connect(database)) as connection:
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            judged.stuck.append(f"damaged: {answer}")
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        present = (
            {int(n) for (n,) in connection.execute(_PRESENT)}
            if "webhooksub_event" in tables
            else set()
        )
    if missing := numbers - present:
        judged.false_acknowledgements.append(f"not in the file: {sorted(missing)}")
    judged.kept = len(present & set(told.refused))


def _take_over(
    database: Path, receiver: Receiver, paths: set[str], numbers: set[int], judged: Judged
) -> None:
    with Dispatcher(
        f"sqlite:///{database}",
        authorizer=allow_all,
        dev=True,
        ca_pem=receiver.ca_pem,
        config=SETTINGS,
    ) as hooks:
        if not hooks.flush(timeout=SECONDS_MAX).complete:
            judged.stuck.append("the next dispatcher does not come to an end")
    came = {(r.path, r.json()["data"]["n"]) for r in receiver.requests if r.status < 300}
    if missing := {(path, n) for path in paths for n in numbers} - came:
        judged.false_acknowledgements.append(f"not delivered: {sorted(missing)}")
    with closing(sqlite3.connect(database)) as connection:
        outbox, claimed = connection.execute(_STUCK).fetchone()
    if outbox or claimed:
        judged.stuck.append(f"{outbox} events and {claimed} claimed rows are left")


def judge_lost(acks: Path, told: Told, first: int) -> Judged:
    """The file itself is gone: nothing after that may be acknowledged, and it is said."""
    judged = Judged()
    _, numbers = acknowledged(acks)
    if late := {n for n in numbers if n >= first + EVENTS // 2}:
        judged.false_acknowledgements.append(f"into a file that is gone: {sorted(late)}")
    if not any("StoreUnavailable" in word for word in told.said):
        judged.unsaid.append("no StoreUnavailable")
    if "store_unavailable" not in told.events:
        judged.unsaid.append("no operator event")
    if told.leaked:
        judged.leaks.append(told.leaked)
    judged.unsaid += told.odd
    return judged
