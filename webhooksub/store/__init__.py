"""Where events, subscriptions and outcomes are kept: SQLite, or the memory of one process."""

from collections.abc import Callable

from ..config import StoreConfig
from ..errors import ConfigurationError
from .base import Store

__all__ = ["Store", "open_store"]


def open_store(url: str, config: StoreConfig, clock: Callable[[], int]) -> Store:
    """The store that `url` names, not yet opened. Raises ConfigurationError."""
    raise ConfigurationError(f"no store for the URL scheme {url.partition(':')[0]!r}")
