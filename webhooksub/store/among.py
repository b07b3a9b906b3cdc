"""A condition on many numbers that is one parameter: neither SQLAlchemy nor the server goes through
a statement of thousands, and the next one is the same statement."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True


@compiles(_Among, "sqlite")
def _sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, numbers = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({numbers}))"


@compiles(_Among, "postgresql")
def _postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, numbers = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY (CAST(translate({numbers}, '[]', '{{}}') AS bigint[]))"


def among(column: ColumnElement[int], numbers: Collection[int]) -> ColumnElement[bool]:
    """Whether it is one of these."""
    return _Among(column, json.dumps(list(numbers)))
