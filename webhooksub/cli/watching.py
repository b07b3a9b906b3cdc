"""``status --watch``: the same table again and again, and what changed since the look before."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from ..errors import StoreUnavailable
from .output import Board, Row, show

Look = Callable[[], dict[str, Any]]


def watch_status(
    look: Look, rows_of: Callable[[dict[str, Any]], list[Row]], every: float, as_json: bool
) -> bool:
    """Until Ctrl-C; whether the last look found all well. A store that does not answer is looked
    at again."""
    before: dict[str, object] = {}
    fine = True
    try:
        with Board() as board:
            while True:
                data = _looked(look)
                fine = bool(data["healthy"])
                if as_json:
                    click.echo(json.dumps(data, ensure_ascii=False))
                else:
                    rows = rows_of(data) if "outbox" in data else []
                    board.show(_compared(rows, before), _title(data))
                    before = dict(rows) or before
                time.sleep(every)
    except KeyboardInterrupt:
        return fine


def _looked(look: Look) -> dict[str, Any]:
    try:
        return look()
    except StoreUnavailable as error:
        return {"healthy": False, "reason": str(error)}


def _title(data: dict[str, Any]) -> str:
    at = datetime.now().strftime("%H:%M:%S")
    return at if data["healthy"] else f"{at}  unhealthy: {data['reason']}"


def _compared(rows: list[Row], before: dict[str, object]) -> list[Row]:
    """``1,204  +17``."""
    return [(name, show(value) + _change(value, before.get(name))) for name, value in rows]


def _change(value: object, before: object) -> str:
    if not isinstance(value, int) or not isinstance(before, int) or value == before:
        return ""
    return f"  {value - before:+,}"
