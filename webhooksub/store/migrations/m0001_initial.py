"""Version 1: the first schema."""

import os

from sqlalchemy import Connection, insert

from ..schema import meta, metadata

#: The oldest code that can use a store of this version.
MIN_READER = 1


def upgrade(connection: Connection) -> None:
    """Makes every table in an empty store."""
    metadata.create_all(connection)
    first = {
        "schema_version": "0",
        "min_reader": str(MIN_READER),
        "store_id": os.urandom(16).hex(),
        "subscription_rev": "0",
        "replay_rev": "0",
    }
    connection.execute(insert(meta), [{"key": k, "value": v} for k, v in first.items()])
