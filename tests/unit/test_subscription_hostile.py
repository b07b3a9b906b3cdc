"""Subscription under types of callers that misbehave, and what it keeps of them: nothing."""

import contextlib
import copy
import ctypes
import gc
import pickle
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from subscriptions import MADE, NOW, URL, columns, document, make

from webhooksub import Subscription, ValidationError, catalogs

pytestmark = pytest.mark.hostile("V")

# --- what callers' own types may do ----------------------------------------------------------


class Trouble(Exception):
    """Raised by the types below; must come out as it is."""


def trouble(*args: Any) -> Any:
    raise Trouble


class OwnText(str):
    """Text whose every method fails: only its characters count."""

    __str__ = __repr__ = __len__ = __iter__ = __getitem__ = encode = trouble  # type: ignore[assignment]
    __eq__ = __hash__ = trouble  # type: ignore[assignment]


class OwnDict(dict[str, Any]):
    keys = items = __iter__ = trouble  # type: ignore[assignment]


class TroubledBool:
    __bool__ = trouble


class TroubledMapping:
    """Fails with exceptions that the reading itself knows."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def keys(self) -> Any:
        raise self.error

    def __getitem__(self, name: str) -> Any:
        raise self.error


class TroubledDate:
    def isoformat(self) -> str:
        raise Trouble


class TroubledAttribute:
    @property
    def isoformat(self) -> Any:
        raise Trouble


def test_a_texts_own_methods_are_not_asked() -> None:
    assert make(resource=OwnText("tenant/t1/sidedrawer"), notification_url=OwnText(URL)) == make()


@pytest.mark.parametrize(
    "call",
    [
        lambda: make(delivery=OwnDict(batch={})),
        lambda: make(delivery={"batch": OwnDict(maxNotifications=1)}),
        lambda: make(expires=TroubledDate()),
        lambda: make(expires=TroubledAttribute()),
        lambda: Subscription.from_json(
            document(), now=NOW, current={"hasIntegrityKey": TroubledBool()}
        ),
        lambda: Subscription.from_json(document(), now=NOW, current=TroubledMapping(Trouble())),
    ],
    ids=["dict", "inner", "date", "attribute", "bool", "current"],
)
def test_what_a_callers_type_raises_comes_out(call: Callable[[], object]) -> None:
    with pytest.raises(Trouble):
        call()


@pytest.mark.parametrize("error", [ValueError, TypeError, AttributeError, RecursionError, KeyError])
def test_a_mapping_that_fails_is_no_mistake_of_the_field(error: type[Exception]) -> None:
    with pytest.raises(error, match="mine") as caught:
        make(delivery=TroubledMapping(error("mine")))
    assert not isinstance(caught.value, ValidationError)


def test_a_mapping_may_change_while_it_is_read() -> None:
    class Growing(dict[str, Any]):
        def keys(self) -> Any:
            self["headers"] = {"X-A": "b"}
            return list(super().keys())

        def __iter__(self) -> Any:
            return iter(self.keys())

    assert make(delivery=Growing()).delivery == {"headers": {"X-A": "b"}}


# --- memory ------------------------------------------------------------------------------------

TEXTS = {"brand_code": "b" * 50, "notification_url": URL + "/x", "integrity_key": "k" * 32}
ROUNDS = 2_000

USED = make(**TEXTS)

#: Ways to use it, well and badly, under which nothing may be kept or lost.
USES: dict[str, Callable[[], object]] = {
    "made": lambda: make(**TEXTS, delivery={"headers": {"X-A": "b"}}),
    "replaced": lambda: USED.replace(max_retries=1, now=NOW),
    "read": lambda: Subscription.from_json(document(**MADE), now=NOW, current=MADE),
    "pickled": lambda: pickle.loads(pickle.dumps(USED)),
    "copied": lambda: copy.deepcopy(USED),
    "keyed": lambda: USED._with_key(USED._key()),
    "shown": lambda: [getattr(USED, name) for name in dir(USED)],
    "printed": lambda: repr(USED) + USED.to_json(),
    "hashed": lambda: hash(USED) if make() == USED else 0,
    "wrong types": lambda: make(**TEXTS, max_retries="3", delivery=3),
    "wrong texts": lambda: make(**TEXTS, resource="\n", modification_type="\udcff"),
    "wrong ports": lambda: make(**TEXTS, ports=[443, 0]),
    "wrong catalog": lambda: make(**TEXTS, catalog=3),
    "wrong document": lambda: Subscription.from_json(document(max=1)),
    "no document": lambda: Subscription.from_json("{"),
    "wrong row": lambda: Subscription._restore(columns(options="{"), catalogs.SIDEDRAWER),
    "date fails": lambda: make(**TEXTS, expires=TroubledDate()),
    "mapping fails": lambda: make(**TEXTS, delivery=OwnDict(a=1)),
    "inner mapping fails": lambda: make(**TEXTS, delivery={"batch": OwnDict(a=1)}),
    "current fails": lambda: Subscription.from_json(document(), current=TroubledMapping(Trouble())),
}


def repeat(use: Callable[[], object], rounds: int) -> None:
    for _ in range(rounds):
        with contextlib.suppress(Trouble, ValueError, TypeError):
            use()
    gc.collect()


@pytest.mark.parametrize("name", USES)
def test_repetition_keeps_and_loses_no_reference(name: str) -> None:
    held = [*TEXTS.values(), MADE, *MADE.values(), catalogs.SIDEDRAWER, Subscription, NOW]
    held = [one for one in held if not isinstance(one, bool)]
    repeat(USES[name], 50)
    before = [sys.getrefcount(one) for one in held]
    repeat(USES[name], 200)
    assert [sys.getrefcount(one) for one in held] == before


def traced() -> int:
    """Bytes that these tests and webhooksub hold: threads that other tests have left take some."""
    ours = [tracemalloc.Filter(True, pattern) for pattern in (__file__, "*/webhooksub/*")]
    return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(ours).traces)


def least_growth(use: Callable[[], object], count: Callable[[], int]) -> int:
    """Bytes in the better of two spans: what is lost is lost in both, and what the interpreter
    keeps for later, a list of free objects or a larger table, in one."""
    counts = [count()]
    for _ in range(2):
        repeat(use, ROUNDS)
        counts.append(count())
    return min(counts[1] - counts[0], counts[2] - counts[1])


@pytest.mark.parametrize("name", USES)
def test_repetition_takes_no_memory_of_python(name: str) -> None:
    repeat(USES[name], 200)
    tracemalloc.start()
    try:
        grown = least_growth(USES[name], traced)
    finally:
        tracemalloc.stop()
    # The smallest object has more than 20 bytes; caches of the interpreter move a little.
    assert grown < 20 * ROUNDS, f"{grown} bytes"


class Allocated(ctypes.Structure):
    """struct mallinfo2 of glibc; uordblks is what malloc gave and did not get back."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks")
        + ("uordblks", "fordblks", "keepcost")
    ]


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc's malloc counts")
@pytest.mark.parametrize("name", USES)
def test_repetition_takes_no_memory_of_c(name: str) -> None:
    count = ctypes.CDLL(None).mallinfo2
    count.restype = Allocated
    repeat(USES[name], 200)
    grown = least_growth(USES[name], lambda: count().uordblks)
    assert grown < 20 * ROUNDS, f"{grown} bytes"
