"""What the operator should know, as Django's signals.

They are sent on the thread that delivers, in the process that does: under ``manage.py
webhooksub worker`` connect them in a module that this process loads, such as ``ready()`` of
your app. A receiver that raises is logged and keeps nobody from hearing.
"""

import logging
from typing import Any

from django.apps import apps
from django.db import close_old_connections
from django.dispatch import Signal

from ... import OperatorEvent
from ...logs import about

log = logging.getLogger("webhooksub")

#: A subscription was disabled: gone (410), days of only failures, its owner lost access.
#: Receivers get ``subscription_id``, ``message`` and ``facts``.
disabled = Signal()
#: A subscription's endpoint began to fail; the same arguments.
failing = Signal()
#: It works again; the same arguments.
recovered = Signal()
#: A delivery was given up: ``event_id``, ``subscription_id``, ``message``.
dead = Signal()
#: Everything that the operator should know, these too: ``event``, an OperatorEvent.
operator_event = Signal()

_OF_SUBSCRIPTIONS = {"disabled": disabled, "failing": failing, "recovered": recovered}


def tell(event: OperatorEvent) -> None:
    """Sends the signals of one event. On the delivering thread."""
    close_old_connections()
    try:
        _send(operator_event, event=event)
        if event.kind in _OF_SUBSCRIPTIONS:
            _send(
                _OF_SUBSCRIPTIONS[event.kind],
                subscription_id=_subscription_id(event.facts),
                message=event.message,
                facts=event.facts,
            )
        elif event.kind == "dead":
            _tell_of_dead(event)
    finally:
        close_old_connections()


def _tell_of_dead(event: OperatorEvent) -> None:
    for event_id, subscription_id in event.facts["deliveries"]:
        _send(dead, event_id=event_id, subscription_id=subscription_id, message=event.message)


def _subscription_id(facts: dict[str, Any]) -> str | None:
    if "subscription_id" in facts:
        return str(facts["subscription_id"])
    seq = facts["subscription_seq"]
    return _ids("Subscription", {seq}).get(seq)


def _ids(model: str, seqs: set[int]) -> dict[int, str]:
    rows = apps.get_model("webhooksub", model).objects.in_bulk(seqs)
    return {seq: str(row.id) for seq, row in rows.items()}


def _send(signal: Signal, **facts: Any) -> None:
    for heard, answer in signal.send_robust(sender=OperatorEvent, **facts):
        if isinstance(answer, Exception):
            log.error(
                "a receiver of a signal failed: %r",
                heard,
                exc_info=answer,
                extra=about("signal_receiver_raised"),
            )
