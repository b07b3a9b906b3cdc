"""``webhooksub demo``: the whole product on real sockets and a real file, and the proof.

    world ──events, subscriptions──▶ run ──▶ Dispatcher ──HTTPS──▶ receiver (own process)
                                      │                                │
                          published.jsonl, subscriptions.jsonl     received.jsonl
                                      └────────▶ verdict ◀─────────────┘

The verdict counts from those three files, with a scan of its own over the catalog's rows
(expect), and compares with what the store says.
"""

from .folder import DemoError
from .run import Demo, Watcher
from .verdict import Verdict

__all__ = ["Demo", "DemoError", "Verdict", "Watcher"]
