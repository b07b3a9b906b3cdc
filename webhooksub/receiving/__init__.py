"""Receiving notifications in a web framework: verified and new before the view runs.

::

    from webhooksub.receiving import Receiving, SqliteSeen
    from webhooksub.receiving.flask import receives

    receiving = Receiving("whsec_…", seen=SqliteSeen("seen.db"))

    @app.post("/hook")
    @receives(receiving)
    def hook(notifications):
        ...

The adapters are ``webhooksub.receiving.flask``, ``.django`` and ``.fastapi``.
"""

from .receiving import BODY_MAX, Receipt, Receiving, Refusal
from .seen import CacheSeen, MemorySeen, Seen, SqliteSeen, State

__all__ = [
    "BODY_MAX",
    "CacheSeen",
    "MemorySeen",
    "Receipt",
    "Receiving",
    "Refusal",
    "Seen",
    "SqliteSeen",
    "State",
]
