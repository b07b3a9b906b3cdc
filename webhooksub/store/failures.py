"""What a database raises, and what callers are told of it."""

import contextlib
import sqlite3
import sys
from collections.abc import Iterator

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import StoreUnavailable, WebhooksubError

_ALWAYS: tuple[type[Exception], ...] = (DBAPIError, PoolTimeout, sqlite3.Error)


def failures() -> tuple[type[Exception], ...]:
    """What databases raise when they do not answer, or refuse. A driver that nobody has
    imported raises nothing."""
    psycopg = sys.modules.get("psycopg")
    return _ALWAYS if psycopg is None else (*_ALWAYS, psycopg.Error)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Errors of the database become StoreUnavailable; our own defects stay what they are."""
    try:
        yield
    except failures() as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> WebhooksubError:
    """What a caller is told for an error of the database. No statement, no parameter."""
    original = getattr(error, "orig", None) or error
    # PostgreSQL's details quote rows, in which keys may be.
    said = getattr(getattr(original, "diag", None), "message_primary", None)
    return StoreUnavailable(f"the database failed: {said or original}")
