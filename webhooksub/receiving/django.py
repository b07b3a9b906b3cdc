"""Django: a decorator for the view that receives, sync or async."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from .receiving import TOO_LARGE, Receipt, Receiving, Refusal

View = Callable[..., Any]


def receives(receiving: Receiving) -> Callable[[View], View]:
    """The view is called with the request and the new notifications, then as the route says.

    An answer below 400 ends them, with the commit where ``ATOMIC_REQUESTS`` made a
    transaction; any other answer, and an exception, leaves them to the sender's next attempt.
    Where all were seen before, the view is not called, and 204 answered. No CSRF token is
    asked for: the signature says more.
    """

    def decorate(view: View) -> View:
        wrapped = _async(receiving, view) if iscoroutinefunction(view) else _sync(receiving, view)
        wrapped.csrf_exempt = True  # type: ignore[attr-defined]
        return wrapped

    return decorate


def _sync(receiving: Receiving, view: View) -> View:
    @wraps(view)
    def receive(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        receipt = _receive(receiving, request)
        if isinstance(receipt, HttpResponse):
            return receipt
        try:
            response: HttpResponseBase = view(request, receipt.notifications, *args, **kwargs)
        except BaseException:
            receipt.failed()
            raise
        _conclude(receipt, response)
        return response

    return receive


def _async(receiving: Receiving, view: View) -> View:
    @wraps(view)
    async def receive(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        receipt = await sync_to_async(_receive)(receiving, request)
        if isinstance(receipt, HttpResponse):
            return receipt
        try:
            response: HttpResponseBase = await view(request, receipt.notifications, *args, **kwargs)
        except BaseException:
            await sync_to_async(receipt.failed)()
            raise
        await sync_to_async(_conclude)(receipt, response)
        return response

    return receive


def _receive(receiving: Receiving, request: HttpRequest) -> Receipt | HttpResponse:
    try:
        receipt = receiving.receive(request.body, request.headers)
    except RequestDataTooBig:
        receipt = TOO_LARGE
    if isinstance(receipt, Refusal):
        return HttpResponse(
            receipt.text,
            status=receipt.status,
            headers=receipt.headers,
            content_type="text/plain",
        )
    return HttpResponse(status=204) if receipt.repeated else receipt


def _conclude(receipt: Receipt, response: HttpResponseBase) -> None:
    if response.status_code >= 400:
        receipt.failed()
    elif transaction.get_connection().in_atomic_block:
        # What the view wrote may still be undone, by a commit that fails.
        transaction.on_commit(receipt.done)
    else:
        receipt.done()
