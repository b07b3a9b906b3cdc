"""Ids, and the syntax check of an event's data, as Python calls them."""

import gc
import hashlib
import json
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webhooksub import ValidationError, _core

NOW_MS = 1_800_000_000_000
MOMENTS = st.integers(0, 2**48 - 1)
DEPTH_MAX = 64
UUIDS = st.binary(min_size=16, max_size=16)


# --- uuid7 --------------------------------------------------------------------------------


@given(MOMENTS)
def test_a_uuid7_is_one_of_rfc_9562_and_begins_with_its_moment(moment: int) -> None:
    made = uuid.UUID(bytes=_core.uuid7(moment))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == moment


@given(MOMENTS, MOMENTS)
def test_a_later_uuid7_sorts_later(one: int, other: int) -> None:
    if one != other:
        assert (_core.uuid7(one) < _core.uuid7(other)) == (one < other)


def test_uuids_of_one_moment_differ() -> None:
    assert len({_core.uuid7(NOW_MS) for _ in range(10_000)}) == 10_000


@pytest.mark.parametrize("moment", ["1", 1.5, None])
def test_a_moment_is_a_whole_number(moment: Any) -> None:
    with pytest.raises(TypeError):
        _core.uuid7(moment)


# --- text and bytes -------------------------------------------------------------------------


@given(UUIDS)
def test_a_uuid_is_written_as_the_standard_library_writes_it(raw: bytes) -> None:
    text = str(uuid.UUID(bytes=raw))
    assert _core.uuid_text(raw) == text
    assert _core.uuid_bytes(text) == raw
    assert _core.uuid_bytes(text.upper()) == raw


@pytest.mark.parametrize("raw", [b"", b"x" * 15, b"x" * 17])
def test_a_uuid_has_sixteen_bytes(raw: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        _core.uuid_text(raw)
    with pytest.raises(ValueError, match="16 bytes"):
        _core.notification_id(raw, b"x" * 16)


@pytest.mark.parametrize(
    "text",
    ["", "0" * 32, "0" * 36, "{00000000-0000-0000-0000-000000000000}"]
    + ["00000000-0000-0000-0000-00000000000g", "000000000-000-0000-0000-000000000000"]
    + ["00000000-0000-0000-0000-00000000000 ", "0000000\0-0000-0000-0000-000000000000"]
    + ["00000000-0000-0000-0000-0000000000é", "٠0000000-0000-0000-0000-0000000000"],
)
def test_a_text_that_is_no_uuid_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        _core.uuid_bytes(text)


@given(st.text(max_size=40))
def test_any_text_is_a_uuid_or_a_value_error(text: str) -> None:
    try:
        raw = _core.uuid_bytes(text)
    except ValueError:
        return
    assert _core.uuid_text(raw) == text.lower()


@pytest.mark.parametrize("value", [None, 1, bytearray(16), uuid.UUID(int=1)])
def test_a_uuid_of_another_type_is_refused(value: Any) -> None:
    for call in (_core.uuid_text, _core.uuid_bytes):
        with pytest.raises(TypeError):
            call(value)


def test_a_lone_surrogate_is_no_uuid() -> None:
    with pytest.raises(ValueError):
        _core.uuid_bytes("\udcff" * 36)


# --- the notification's id -------------------------------------------------------------------


@given(UUIDS, UUIDS)
def test_a_notifications_id_is_a_hash_of_event_and_subscription(event: bytes, other: bytes) -> None:
    expected = "msg_" + hashlib.sha256(event + other).hexdigest()[:32]
    assert _core.notification_id(event, other) == expected
    assert _core.notification_id(subscription_id=other, event_id=event) == expected


# --- the syntax of data ----------------------------------------------------------------------


def is_json(data: bytes, depth: int = DEPTH_MAX) -> bool:
    try:
        _core.check_json(data, depth)
    except ValidationError as error:
        [mistake] = error.errors
        assert (mistake.field, mistake.code) == ("data", "json")
        return False
    return True


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def refuse(word: str) -> None:
    raise ValueError(f"{word} is Python's, not JSON's")


def python_says(data: bytes) -> bool:
    """The standard library's judgement, without its extensions."""
    try:
        json.loads(data.decode("utf-8"), parse_constant=refuse, parse_int=str, parse_float=str)
    except ValueError:
        return False
    return True


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
#: What JSON is made of, put together as it comes.
PIECES = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", ",", ":", '"', "\\", "/", "u", "u00e9", "\\ud800", "n", "true"]
        + ["false", "null", "NaN", "-", "+", "0", "1", "9", ".", "e", "E", " ", "\t", "\n", "\r"]
        + ["\f", "\0", "a", "é", "\u2028", "'", "//", '"a"', '"b":', "\ufeff"]
    ),
    max_size=14,
).map("".join)


@settings(deadline=None, max_examples=300)
@given(VALUES, st.sampled_from([None, 0, 1]), st.booleans())
def test_what_python_writes_is_json(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    finite = "NaN" not in text and "Infinity" not in text
    if finite:
        assert is_json(data)
    assert is_json(data) == python_says(data)


@settings(deadline=None, max_examples=1_000)
@given(PIECES)
@example("")
@example(" \t\r\n1 ")
@example("[1,]")
@example('{"a":1,"a":1}')
@example('"\\ud800"')
@example('"\x7f"')
@example("-0")
@example("-")
@example("01")
@example("1.")
@example("1e+")
@example("\ufeff1")
@example("1" * 10_000)
@example("1e999999")
def test_pieces_of_json_are_judged_as_python_judges_them(text: str) -> None:
    data = text.encode()
    assert is_json(data) == python_says(data)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=12), st.booleans())
@example(b"\xc0\xaf", True)
@example(b"\xed\xa0\x80", True)
@example(b"\xf4\x90\x80\x80", True)
@example(b"\xef\xbb\xbf", False)
def test_bytes_are_utf_8_as_python_knows_it(raw: bytes, quoted: bool) -> None:
    data = b'"' + raw + b'"' if quoted else raw
    assert is_json(data) == python_says(data)


@settings(deadline=None, max_examples=200)
@given(VALUES, st.integers(1, 128))
def test_depth_counts_the_containers_that_are_open(value: Any, most: int) -> None:
    text = json.dumps(value)
    if "NaN" not in text and "Infinity" not in text:
        assert is_json(text.encode(), most) == (depth_of(value) <= most)


@pytest.mark.parametrize("left", [b"[", b'{"a":'])
@pytest.mark.parametrize("most", [1, 32, 63, 64, 65, 66, 127, 128])
def test_a_depth_is_kept_to_the_container(left: bytes, most: int) -> None:
    right = b"]" if left == b"[" else b"}"

    def nested(depth: int) -> bytes:
        return left * depth + b"1" + right * depth

    assert is_json(nested(most), most)
    assert not is_json(nested(most + 1), most)
    assert not is_json(nested(100_000), most)


@pytest.mark.parametrize("most", [0, -1, 129, 1_000, 2**31 - 1, -(2**31), 2**32 + 1, 2**70])
def test_a_depth_that_the_scanner_cannot_remember_is_refused(most: int) -> None:
    with pytest.raises((ValueError, OverflowError)) as caught:
        _core.check_json(b"[" * 100_000, most)
    assert not isinstance(caught.value, ValidationError)


@pytest.mark.parametrize("data", ["{}", bytearray(b"{}"), memoryview(b"{}"), None, {}])
def test_data_is_bytes(data: Any) -> None:
    with pytest.raises(TypeError):
        _core.check_json(data)


def test_a_mistake_tells_the_byte_and_shows_nothing() -> None:
    with pytest.raises(ValidationError, match="at byte 16") as caught:
        _core.check_json(b'{"key":"CANARY",CANARY}')
    assert "CANARY" not in str(caught.value)


# --- repetition ----------------------------------------------------------------------------

RAW = bytes(range(16))
CALLS: list[Callable[[], object]] = [
    lambda: _core.uuid7(NOW_MS),
    lambda: _core.uuid_text(RAW),
    lambda: _core.uuid_text(RAW + RAW),
    lambda: _core.uuid_bytes("x" * 36),
    lambda: _core.notification_id(RAW, RAW),
    lambda: _core.notification_id(RAW, None),  # type: ignore[arg-type]
    lambda: _core.check_json(RAW),
    lambda: _core.check_json(b"{}"),
    lambda: _core.check_json(RAW, 0),
]


@pytest.mark.parametrize("call", CALLS)
def test_no_call_keeps_or_loses_a_reference(call: Callable[[], object]) -> None:
    def repeat() -> int:
        for _ in range(500):
            try:
                call()
            except (ValueError, TypeError):
                continue
        gc.collect()
        return sys.getrefcount(RAW)

    repeat()
    before = sys.getrefcount(RAW)
    assert repeat() == before
