"""Flask: a decorator for the view that receives."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, current_app, request

from .receiving import TOO_LARGE, Receipt, Receiving, Refusal

View = Callable[..., Any]

_CHUNK = 65_536


def receives(receiving: Receiving) -> Callable[[View], View]:
    """The view is called with the new notifications first, then with what the route gives.

    An answer below 400 ends them; any other, and an exception, leaves them to the sender's
    next attempt. Where all were seen before, the view is not called, and 204 answered.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def receive(*args: Any, **kwargs: Any) -> Response:
            body = _body(receiving.body_max)
            receipt = TOO_LARGE if body is None else receiving.receive(body, request.headers)
            if isinstance(receipt, Refusal):
                return Response(receipt.text, receipt.status, receipt.headers)
            if receipt.repeated:
                return Response(status=204)
            return _show(view, receipt, args, kwargs)

        return receive

    return decorate


def _show(view: View, receipt: Receipt, args: Any, kwargs: Any) -> Response:
    try:
        answer = current_app.ensure_sync(view)(receipt.notifications, *args, **kwargs)
        response = current_app.make_response(answer)
    except BaseException:
        receipt.failed()
        raise
    if response.status_code < 400:
        receipt.done()
    else:
        receipt.failed()
    return response


def _body(most: int) -> bytes | None:
    """The bytes that arrived, None where they are more. Of a chunked one no length is known."""
    if request.content_length is not None:
        return request.get_data() if request.content_length <= most else None
    chunks, size = [], 0
    while chunk := request.stream.read(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            return None
    return b"".join(chunks)
