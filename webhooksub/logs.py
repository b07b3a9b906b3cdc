"""What is logged: one logger, one line a record, and the one list of kinds.

Every record of the logger ``webhooksub`` says by ``record.kind`` what it is about and by
``record.facts`` of what, as a mapping that can be written as JSON. Its message is one line
without what would steer a terminal, and addresses in it end before their query, which often
holds a token. A traceback becomes the end of that line; all of it is ``record.traceback``.
"""

import logging
import re
import traceback
from typing import Any

LOGGER = "webhooksub"

#: Level and meaning of each kind. Those of an OperatorEvent are the same here and there.
RECORDS: dict[str, tuple[int, str]] = {
    "started": (logging.INFO, "this process delivers from now on"),
    "replaced": (logging.INFO, "Jupyter: a cell that was run again starts a dispatcher anew"),
    "stopped": (logging.INFO, "it does no longer: it was told to end"),
    "disabled": (logging.WARNING, "a subscription was disabled"),
    "failing": (logging.WARNING, "a subscription began to fail"),
    "recovered": (logging.WARNING, "a subscription works again"),
    "dead": (logging.WARNING, "deliveries are out of retries"),
    "backlog_full": (logging.WARNING, "too many deliveries of a subscription wait"),
    "quarantined": (logging.WARNING, "an event kept ending its dispatcher"),
    "unresolved": (logging.WARNING, "an event's path is not in this catalog"),
    "store_unavailable": (logging.WARNING, "the database did not answer"),
    "fenced": (logging.WARNING, "another dispatcher took the work over"),
    "authorizer_failed": (logging.WARNING, "the authorizer raised; its last answer stands"),
    "expiring": (logging.WARNING, "a subscription ends soon"),
    "lifecycle_unsent": (logging.WARNING, "an endpoint did not take news of its subscription"),
    "lifecycle_full": (logging.WARNING, "too much news waits to be sent"),
    "dev_opened": (logging.WARNING, "dev=True opens this machine's loopback addresses"),
    "callback_left": (logging.WARNING, "close() did not wait any longer for code of the host's"),
    "keys_plain": (logging.WARNING, "integrity keys are protected by a file's mode alone"),
    "key_unreadable": (logging.WARNING, "a subscription's key does not open: it is invalid"),
    "key_opens_again": (logging.WARNING, "it does again, and the subscription is active"),
    "keys_unsealed": (logging.WARNING, "there is a keyring, and keys that it does not protect"),
    "keyring_readable": (logging.WARNING, "others may read the file of the keyring"),
    "lock_unnamed": (logging.WARNING, "the lock's file does not say who delivers"),
    "listening_untold": (logging.WARNING, "the store does not know which sockets are open"),
    "sockets_wait": (logging.WARNING, "events for sockets wait for the store"),
    "socket_left": (logging.INFO, "a connection ended, and the store was not told"),
    "taken_over": (logging.WARNING, "other dispatchers are dead, what they held is ours"),
    "not_listening": (logging.WARNING, "PostgreSQL: no LISTEN, new events are looked for"),
    "clock_set_back": (logging.WARNING, "the wall clock was set back"),
    "publishing_will_fail": (logging.WARNING, "Flask: the store cannot be used as it is"),
    "runserver_delivers": (logging.WARNING, "Django: the development server delivers"),
    "runserver_waits": (logging.WARNING, "Django: the development server cannot deliver yet"),
    "lifecycle_not_sent": (logging.INFO, "news of a subscription could not be sent any more"),
    "lifecycle_defect": (logging.ERROR, "news of a subscription could not be made"),
    "subscription_invalid": (logging.ERROR, "a stored subscription is not of this catalog"),
    "authorizer_raised": (logging.ERROR, "the same as authorizer_failed, with the traceback"),
    "operator_event_raised": (logging.ERROR, "on_operator_event raised"),
    "signal_receiver_raised": (logging.ERROR, "Django: a receiver of a signal raised"),
    "watcher_raised": (logging.ERROR, "a watcher of deliveries raised"),
    "hand_over_failed": (logging.ERROR, "published events will be claimed a little later"),
    "after_commit_failed": (logging.ERROR, "what follows a commit failed; it stands"),
    "socket_refused": (logging.ERROR, "a client could not connect, for a reason of ours"),
    "socket_not_sent": (logging.ERROR, "an event could not be sent to a socket"),
    "sockets_defect": (logging.ERROR, "events for sockets wait, because of a defect"),
    "actor_raised": (logging.ERROR, "who connects by a socket could not be found out"),
    "api_unavailable": (logging.ERROR, "the API answered 5xx"),
    "api_defect": (logging.ERROR, "the API answered 500: a defect, ours or the host's"),
    "issuer_unreachable": (logging.ERROR, "the issuer of tokens does not show its keys"),
    "stopped_by_defect": (logging.ERROR, "the delivery loop ended by a defect"),
    "stopped_by_itself": (logging.ERROR, "a process that delivers ends, not told to"),
}

# Frames that the end of a line names, the innermost first.
_FRAMES = 3
_QUERY = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s?'\"<>]*)\?[^\s'\"<>]*", re.IGNORECASE)


def about(kind: str, **facts: Any) -> dict[str, Any]:
    """The `extra` of a record."""
    return {"kind": kind, "facts": facts}


def one_line(text: str) -> str:
    """Without line ends, control characters and the queries of addresses."""
    text = _QUERY.sub(r"\1", text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class OneLine(logging.Filter):
    """Makes every record of the logger what the module says."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            text += f": {type(error).__name__}: {error} ({_where(error)})"
            record.traceback = "".join(traceback.format_exception(error))
        record.msg, record.args = one_line(text), None
        record.exc_info = record.exc_text = None
        return True


def _where(error: BaseException) -> str:
    """``feed.py:99 in catch_up, from delivering.py:176 in _turn``."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = (f"{f.filename.rpartition('/')[2]}:{f.lineno} in {f.name}" for f in reversed(frames))
    return ", from ".join(places) or "raised nowhere"


logging.getLogger(LOGGER).addFilter(OneLine())
