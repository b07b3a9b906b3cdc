"""Under ``manage.py runserver`` the process delivers too. In production it does not: there
``manage.py webhooksub worker`` does, apart.

The reloader runs two processes; only the one that serves delivers, and when it is replaced
its role ends with it.
"""

import logging
import os
import sys
import threading

from django.apps import apps

from ... import ConfigurationError, StoreUnavailable
from ...logs import about
from .dispatcher import current

log = logging.getLogger("webhooksub")

# Tables that are not there yet, a worker that delivers already: asked again.
_AGAIN_SECONDS = 1.0


def serves(arguments: list[str], environ: dict[str, str]) -> bool:
    """This is the process of ``runserver`` that serves, not the one that watches it."""
    if arguments[1:2] != ["runserver"]:
        return False
    return environ.get("RUN_MAIN") == "true" or "--noreload" in arguments


def start_if_serving() -> None:
    """Begins to deliver on a thread of its own, as soon as that can be."""
    if serves(sys.argv, dict(os.environ)):
        threading.Thread(target=_start, name="webhooksub-runserver", daemon=True).start()


def _start() -> None:
    apps.ready_event.wait()
    told = ""
    while True:
        try:
            current().start()
            text = "runserver delivers webhooks in this process"
            log.warning(text, extra=about("runserver_delivers"))
            return
        except (ConfigurationError, StoreUnavailable) as error:
            if str(error) != told:
                told = str(error)
                text = f"runserver does not deliver webhooks yet: {told}"
                log.warning(text, extra=about("runserver_waits"))
        threading.Event().wait(_AGAIN_SECONDS)
