"""The subscription API without a framework: facts of a request in, an answer out.

An adapter asks the host who the actor is, gives an :class:`ApiRequest` to
:meth:`SubscriptionApi.answer` and sends back the :class:`ApiAnswer` as it is.
"""

from .exchange import MAX_BODY, ApiAnswer, ApiRequest
from .operations import OPERATIONS, Operation
from .service import SubscriptionApi

__all__ = ["MAX_BODY", "OPERATIONS", "ApiAnswer", "ApiRequest", "Operation", "SubscriptionApi"]
