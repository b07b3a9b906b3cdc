"""One parameter stands for many numbers, on every kind of database."""

from typing import Any

import pytest
from sqlalchemy import select

from webhooksub.store.among import among
from webhooksub.store.schema import event


@pytest.mark.parametrize("wanted", [(), (2,), (1, 3), (3, 1, 3, 99, -1), tuple(range(5_000))])
def test_rows_are_found_whose_number_is_among_them(kit: Any, wanted: tuple[int, ...]) -> None:
    store = kit.store()
    seqs = [published.seq for published in store.publish([kit.event() for _ in range(4)])]
    numbers = [seqs[n] if 0 <= n < len(seqs) else -n - 1 for n in wanted]
    query = select(event.c.seq).where(among(event.c.seq, numbers))
    with store._process.reading() as connection:
        assert sorted(connection.execute(query).scalars()) == sorted(set(numbers) & set(seqs))


def test_the_statement_is_the_same_however_many_there_are(kit: Any) -> None:
    store = kit.store()
    queries = [select(event.c.seq).where(among(event.c.seq, range(n))) for n in (1, 1_000)]
    with store._process.reading() as connection:
        one, many = (str(query.compile(connection)) for query in queries)
    assert one == many
    assert len(one) < 200
