"""What lists have in common: their options, their pages, and whom an error names."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from ..errors import NotFound, UnknownResource, ValidationError
from ..paging import PAGE_MAX, Page
from .options import Command, moment
from .output import Screen

_PAGE = 20

since_option: Callable[[Command], Command] = click.option(
    "--since", type=moment, metavar="WHEN", help="Published since: a date-time, or an age as 12h."
)
until_option: Callable[[Command], Command] = click.option(
    "--until", type=moment, metavar="WHEN", help="Published before."
)


def root_option(**options: Any) -> Callable[[Command], Command]:
    """``--root tenant=t1``."""
    return click.option("--root", metavar="KIND=ID", callback=_root, **options)


def _root(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    kind, equals, id_ = text.partition("=")
    if not kind or not equals or not id_ or "/" in text:
        raise click.BadParameter(f"{text!r} is no KIND=ID, such as tenant=t1")
    return f"{kind}/{id_}"


def page_options(command: Command) -> Command:
    """Which part of a list."""
    limit = click.option(
        "--limit",
        type=click.IntRange(1, PAGE_MAX),
        default=_PAGE,
        show_default=True,
        metavar="N",
        help="Rows at once.",
    )
    cursor = click.option(
        "--page", "cursor", metavar="CURSOR", help="nextPage or previousPage of another one."
    )
    return limit(cursor(command))


def show_page(
    screen: Screen,
    page: Page[Any],
    documents: list[dict[str, Any]],
    headings: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> None:
    """In the form of the API's lists; `totalCount` is null where nobody counts."""
    data = {
        "data": documents,
        "hasMore": page.next is not None,
        "nextPage": page.next,
        "previousPage": page.previous,
        "totalCount": page.total,
    }
    screen.table(data, headings, rows)
    if page.next is not None and not screen.as_json:
        click.echo(f"there are more: --page {page.next}", err=True)


@contextlib.contextmanager
def naming(**arguments: str) -> Iterator[None]:
    """Says which argument names nothing, or what is wrong with it.

    `arguments`: how fields of the library's errors are called here; what was not found is
    the one called `what`.
    """
    try:
        yield
    except NotFound as error:
        if "what" not in arguments:
            raise
        raise click.BadParameter(str(error), param_hint=arguments["what"]) from None
    except UnknownResource as error:
        if "path" not in arguments:
            raise
        raise click.BadParameter(str(error), param_hint=arguments["path"]) from None
    except ValidationError as error:
        [first, *_] = error.errors
        if first.field not in arguments:
            raise
        raise click.BadParameter(first.message, param_hint=arguments[first.field]) from None
