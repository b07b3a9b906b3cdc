"""What befalls a database file under a running dispatcher, and the defects of the proof."""

import contextlib
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from webhooksub.delivering import DeliveryLoop
from webhooksub.store import outbox, sqlite, sqlstore

# Room beyond what is there: a few pages, less than the next events need.
_ROOM_BYTES = 3 * 4096
_no_limit = resource.getrlimit(resource.RLIMIT_FSIZE)


def fill_disk(path: Path) -> None:
    """No file of this process grows beyond the WAL of now."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    most = max(path.stat().st_size, Path(f"{path}-wal").stat().st_size) + _ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, _no_limit[1]))


def free_disk(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, _no_limit)


def delete(path: Path) -> None:
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink(missing_ok=True)


def truncate(path: Path) -> None:
    os.truncate(path, 0)


WAYS: dict[str, Callable[[Path], None]] = {
    "full disk": fill_disk,
    "deleted": delete,
    "truncated": truncate,
}
#: What can be taken back, so that work goes on.
UNDONE: dict[str, Callable[[Path], None]] = {"full disk": free_disk}


# --- defects, to show that the proof can fail ------------------------------------------


def ack_before_commit() -> Any:
    """An error of the database is not told to who published."""
    real = sqlstore.SqlStore.publish

    def publish(self: Any, events: Any) -> Any:
        try:
            return real(self, events)
        except Exception:
            return [outbox.Published(0, event.id, False) for event in events]

    return patch.object(sqlstore.SqlStore, "publish", publish)


def forget_reports() -> Any:
    """What could not be settled is not settled again."""
    real = DeliveryLoop._settle

    class Forgetting:
        def __init__(self, engine: Any) -> None:
            self._real = engine

        def return_reports(self, reports: Any) -> None:
            self._real.settled(reports)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._real, name)

    def settle(self: Any, timeout_ms: int) -> Any:
        if not isinstance(self._engine, Forgetting):
            self._engine = Forgetting(self._engine)
        return real(self, timeout_ms)

    return patch.object(DeliveryLoop, "_settle", settle)


def keep_writer() -> Any:
    """The connection of a transaction that failed is left as it was."""
    return patch.object(sqlite.SqliteFile, "disconnect_writer", lambda self, connection: None)


SABOTAGES: dict[str, Callable[[], Any]] = {
    "ack-before-commit": ack_before_commit,
    "forget-reports": forget_reports,
    "keep-writer": keep_writer,
}


def sabotaged(name: str) -> Any:
    """The named defect, while inside; "" is none. Raises KeyError for an unknown name."""
    return SABOTAGES[name]() if name else contextlib.nullcontext()
