"""Lists of the admin over tables of any size."""

import uuid
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator

# Counting a table of millions takes the database seconds; nobody turns to page 201.
ROWS_MAX = 10_000


class BoundedPaginator(Paginator):
    """Counts no further than ROWS_MAX; what lies behind is found by filters."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by().select_related(None)[: ROWS_MAX + 1].count())


def uuid_of(text: str) -> uuid.UUID | None:
    """An id as people paste it."""
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None
