"""How commands speak: tables and bars to people, JSON to programs.

rich draws when it is installed and a person looks; otherwise the same is plain text. What a
command answers goes to standard output, how it goes along to standard error.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Self

import click

Row = tuple[str, object]

_BAR = 30


class Screen:
    """One command's output. `as_json`: standard output gets the data and nothing else."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self._rich = find_spec("rich") is not None
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}
        self._drawn = ""

    # --- how it goes -----------------------------------------------------------------

    def note(self, text: str) -> None:
        """A sentence for a person."""
        self.close()
        if not self.as_json:
            click.echo(text)

    def progress(self, what: str, done: int, total: int) -> None:
        """Draws a bar where a person looks."""
        if not sys.stderr.isatty():
            return
        if self._rich:
            self._draw_rich(what, done, total)
        else:
            self._draw_plain(what, done, total)

    def close(self) -> None:
        """Ends the bars. Twice is fine."""
        if self._bars is not None:
            self._bars.stop()
            self._bars, self._tasks = None, {}
        if self._drawn:
            click.echo(err=True)
            self._drawn = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _draw_rich(self, what: str, done: int, total: int) -> None:
        if self._bars is None:
            progress = import_module("rich.progress")
            console = import_module("rich.console").Console(stderr=True)
            self._bars = progress.Progress(
                progress.TextColumn("{task.description:<10}"),
                progress.BarColumn(_BAR),
                progress.TextColumn("{task.completed:>10,.0f} / {task.total:,.0f}"),
                progress.TimeElapsedColumn(),
                console=console,
            )
            self._bars.start()
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what)
        self._bars.update(self._tasks[what], completed=done, total=max(total, 1))

    def _draw_plain(self, what: str, done: int, total: int) -> None:
        filled = _BAR * done // max(total, 1)
        if self._drawn not in ("", what):
            click.echo(err=True)
        self._drawn = what
        bar = "#" * filled + "." * (_BAR - filled)
        click.echo(f"\r{what:<10} [{bar}] {done:>9,} / {total:<9,}", nl=False, err=True)

    # --- the answer ------------------------------------------------------------------

    def answer(self, data: dict[str, Any], rows: Iterable[Row], title: str = "") -> None:
        """`data` as JSON, or `rows` as a table of names and values."""
        self.close()
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        elif self._rich and sys.stdout.isatty():
            self._print_rich(list(rows), title)
        else:
            self._print_plain(list(rows), title)

    def table(
        self, data: dict[str, Any], headings: Sequence[str], rows: Iterable[Sequence[object]]
    ) -> None:
        """`data` as JSON, or one line for each of `rows`."""
        self.close()
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        elif self._rich and sys.stdout.isatty():
            self._print_rich_table(headings, rows)
        else:
            self._print_plain_table(headings, rows)

    def _print_rich_table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """What is too long for the terminal goes on in the next line: ids are to be copied."""
        text = import_module("rich.text").Text
        table = import_module("rich.table").Table()
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(text(show(value)) for value in row))
        import_module("rich.console").Console().print(table)

    def _print_plain_table(self, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        lines = [list(headings), *([show(value) for value in row] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            padded = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
            click.echo(("  " + "  ".join(padded)).rstrip())

    def _print_rich(self, rows: list[Row], title: str) -> None:
        import_module("rich.console").Console().print(_rich_table(rows, title))

    def _print_plain(self, rows: list[Row], title: str) -> None:
        if title:
            click.echo(title)
        width = max((len(name) for name, _ in rows), default=0)
        numbers = max((len(show(v)) for _, v in rows if _is_number(v)), default=0)
        for name, value in rows:
            shown = show(value)
            click.echo(
                f"  {name:<{width}}  {shown:>{numbers}}"
                if _is_number(value)
                else f"  {name:<{width}}  {shown}"
            )


class Board:
    """A table that is drawn anew in its place where rich draws and a person looks, and below the
    one before where not."""

    def __init__(self) -> None:
        self._live: Any = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty() and find_spec("rich") is not None:
            self._live = import_module("rich.live").Live(auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, rows: list[Row], title: str) -> None:
        if self._live is None:
            Screen()._print_plain(rows, title)
        else:
            self._live.update(_rich_table(rows, title), refresh=True)


def _rich_table(rows: list[Row], title: str) -> Any:
    text = import_module("rich.text").Text
    table = import_module("rich.table").Table(
        title=text(title) if title else None, title_justify="left", show_header=False
    )
    table.add_column(style="bold", no_wrap=True)
    numbers = all(_is_number(value) for _, value in rows)
    table.add_column(justify="right" if numbers else "left", overflow="fold")
    for name, value in rows:
        table.add_row(text(name), text(show(value)))
    return table


def show(value: object) -> str:
    """A value as people read it, on one line and without what would steer a terminal."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return printable(str(value))


def printable(text: str) -> str:
    """Senders and tenants choose some of what is shown."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
