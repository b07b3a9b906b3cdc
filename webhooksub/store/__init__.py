"""Where events, subscriptions and outcomes are kept: SQLite, PostgreSQL, or the memory of one
process."""

from collections.abc import Callable

from ..config import StoreConfig
from ..errors import ConfigurationError
from .base import Store
from .database import Database
from .memory import MemoryStore
from .sqlite import SqliteFile
from .sqlstore import SqlStore

__all__ = ["Store", "open_store"]


def open_store(url: str, config: StoreConfig, clock: Callable[[], int]) -> Store:
    """The store that `url` names, not yet opened. Raises ConfigurationError."""
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        return SqlStore(SqliteFile(url, config.synchronous, config.sealing()), config, clock)
    if scheme in ("postgresql", "postgres"):
        return SqlStore(_postgres(url, config), config, clock)
    if scheme == "memory":
        return MemoryStore(config, clock)
    raise ConfigurationError(
        f"no store for the URL scheme {scheme!r}: use sqlite, postgresql or memory"
    )


def _postgres(url: str, config: StoreConfig) -> Database:
    try:
        from .postgres import PostgresDatabase  # noqa: PLC0415
    except ImportError as error:
        if error.name != "psycopg":
            raise
        raise ConfigurationError(
            "psycopg is not installed: pip install 'webhooksub[postgresql]'"
        ) from None
    return PostgresDatabase(url, config)
