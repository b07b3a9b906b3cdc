"""What tests of host services need. Its fixtures come with pytest by themselves:

- ``published``: what the service published, also in a transaction that never commits
- ``webhook_receiver``: a local HTTPS endpoint with scripted answers
- ``webhook_clock``: time of every dispatcher, moved on instead of awaited

::

    with Receiver() as endpoint, Dispatcher.in_memory(authorizer=allow_all, dev=True) as hooks:
        hooks.subscribe(resource, "any", endpoint.url("/hook"), expires=timedelta(days=1))
        hooks.publish(path, "update", {"name": "Taxes"})
        endpoint.wait_for(1)
"""

from .capture import CapturedEvent, CapturedEvents, capture
from .clock import Clock
from .https import Answer
from .receiver import Received, Receiver

__all__ = [
    "Answer",
    "CapturedEvent",
    "CapturedEvents",
    "Clock",
    "Received",
    "Receiver",
    "capture",
]
