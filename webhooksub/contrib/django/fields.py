"""How the store writes ids, times and codes, as fields of Django's models."""

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models.expressions import Col, Expression
from django.db.models.lookups import Exact, In

from ...events import from_ms, to_ms


class UuidField(models.BinaryField):
    """16 bytes in the table, a :class:`uuid.UUID` in Python."""

    def from_db_value(self, value: Any, *_: Any) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(bytes=bytes(value))

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, str):
            value = uuid.UUID(value)
        return super().get_prep_value(value.bytes if isinstance(value, uuid.UUID) else value)


class MsField(models.DateTimeField):
    """UTC milliseconds in the table, an aware datetime in Python."""

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def from_db_value(self, value: Any, *_: Any) -> datetime | None:
        return None if value is None else from_ms(value)

    def get_prep_value(self, value: Any) -> Any:
        return to_ms(value) if isinstance(value, datetime) else value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return value if prepared else self.get_prep_value(value)


class Literal(Expression):
    """A number that stands in the statement: a partial index is found by nothing else."""

    def __init__(self, number: int) -> None:
        super().__init__(output_field=models.IntegerField())
        self._number = int(number)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return str(self._number), []


# --- two columns as one key ----------------------------------------------------------


class Pair(Col):
    """``"7-3"`` of two columns."""

    target: Any

    @property
    def columns(self) -> list[str]:
        return [f'"{self.alias}"."{column}"' for column in self.target.columns]

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        first, second = self.columns
        return f"({first} || '-' || {second})", []


class PairField(models.Field):
    """The key of a table that has two columns for one, where Django's admin wants one.

    It has no column of its own. Looked up, it becomes a comparison of both columns, which
    their index answers.
    """

    def __init__(self, *columns: str, **options: Any) -> None:
        super().__init__(primary_key=True, editable=False, **options)
        self.columns = columns

    def deconstruct(self) -> Any:
        name, path, _, options = super().deconstruct()
        del options["primary_key"], options["editable"]
        return name, path, self.columns, options

    def db_type(self, connection: Any) -> None:
        return None

    def get_attname_column(self) -> tuple[str, str]:
        return self.name, "-".join(self.columns)

    def get_col(self, alias: str, output_field: Any = None) -> Any:
        return Pair(alias, self, output_field)

    @property
    def cached_col(self) -> Any:
        return self.get_col(self.model._meta.db_table)


class _PairLookup:
    """Compares the columns with pairs of numbers; what is no pair matches nothing."""

    lhs: Any

    def compare(self, texts: list[Any]) -> tuple[str, list[Any]]:
        pairs = [pair for text in texts if (pair := split(text)) is not None]
        if not pairs:
            return "0 = 1", []
        # As alternatives: of a list of pairs SQLite would make a walk over the table.
        first, second = self.lhs.columns
        one = f"({first} = %s AND {second} = %s)"
        numbers = [number for pair in pairs for number in pair]
        return f"({' OR '.join([one] * len(pairs))})", numbers


@PairField.register_lookup
class _PairExact(_PairLookup, Exact):
    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return self.compare([self.rhs])


@PairField.register_lookup
class _PairIn(_PairLookup, In):
    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return self.compare(list(self.rhs))


def split(text: Any) -> tuple[int, int] | None:
    """``"7-3"`` as (7, 3)."""
    first, _, second = str(text).partition("-")
    numeric = first.isascii() and first.isdecimal() and second.isascii() and second.isdecimal()
    return (int(first), int(second)) if numeric else None
