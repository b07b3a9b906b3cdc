"""FastAPI: a dependency of the path operation that receives."""

from collections.abc import AsyncIterator
from typing import Any

from fastapi import Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool

from ..receiver import Notification
from .receiving import TOO_LARGE, Receiving, Refusal


def receives(receiving: Receiving) -> Any:
    """A ``Depends``, for ``Annotated[tuple[Notification, ...], receives(receiving)]``.

    An operation that ends without an exception ends the notifications: raise HTTPException,
    rather than return an error, for what the sender should try again. Where all were seen
    before, the operation is not called, and 204 answered.
    """

    async def notifications(request: Request) -> AsyncIterator[tuple[Notification, ...]]:
        body = await _body(request, receiving.body_max)
        receipt = (
            TOO_LARGE
            if body is None
            else await run_in_threadpool(receiving.receive, body, request.headers.items())
        )
        if isinstance(receipt, Refusal):
            raise HTTPException(receipt.status, receipt.text, receipt.headers)
        if receipt.repeated:
            raise HTTPException(204)
        try:
            yield receipt.notifications
        except BaseException:
            await run_in_threadpool(receipt.failed)
            raise
        await run_in_threadpool(receipt.done)

    # The operation's end is noted before the answer is sent: who reads 2xx may rely on it.
    return Depends(notifications, scope="function")


async def _body(request: Request, most: int) -> bytes | None:
    """The bytes that arrived, None where they are more."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
