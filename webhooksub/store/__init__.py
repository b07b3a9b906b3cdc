"""Where events, subscriptions and outcomes are kept: SQLite, or the memory of one process."""

from collections.abc import Callable

from ..config import StoreConfig
from ..errors import ConfigurationError
from .base import Store
from .memory import MemoryStore
from .sqlstore import SqlStore

__all__ = ["Store", "open_store"]


def open_store(url: str, config: StoreConfig, clock: Callable[[], int]) -> Store:
    """The store that `url` names, not yet opened. Raises ConfigurationError."""
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme == "sqlite":
        return SqlStore(url, config, clock)
    if scheme == "memory":
        return MemoryStore(config, clock)
    raise ConfigurationError(f"no store for the URL scheme {scheme!r}: use sqlite or memory")
