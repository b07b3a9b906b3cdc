"""What C judges is judged once more by Python's own library, and the two agree."""

import contextlib
import ipaddress
import json
import re
import socket
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from hypothesis import example, given, settings
from hypothesis import strategies as st
from subscriptions import make

from webhooksub import ValidationError
from webhooksub._core import check_json, check_url

# --- JSON: the json module, which takes three words more and knows no depth. ---------------

DEPTH = 5
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
PIECES = [*'[]{},:"\\ \t\n-+.eE0719aut', "\\u00e9", "\\ud800", "true", "null", "NaN", "é", "\0"]


def refuse_word(word: str) -> Any:
    raise ValueError(word)


def measure(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(measure, value.values()), default=0)
    return 1 + max(map(measure, value), default=0) if isinstance(value, list) else 0


def python_takes(data: bytes) -> bool:
    try:
        text = data.decode()
        # Without a limit of digits; a key that stands twice must not hide how deep it is.
        value = json.loads(
            text,
            parse_constant=refuse_word,
            parse_int=len,
            parse_float=len,
            object_pairs_hook=lambda pairs: [value for _, value in pairs],
        )
    except (ValueError, UnicodeDecodeError):
        return False
    return measure(value) <= DEPTH


def c_takes(data: bytes) -> bool:
    try:
        check_json(data, DEPTH)
    except ValidationError:
        return False
    return True


@given(values, st.data())
def test_json_that_is_nearly_right_is_taken_when_python_takes_it(value: Any, data: Any) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans())).encode(errors="replace")
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    put = data.draw(st.sampled_from([b"", *(piece.encode() for piece in PIECES), b"\xff"]))
    for one in (text, text[:at] + put + text[at + cut :]):
        assert c_takes(one) == python_takes(one), one


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example('"\x7f\u2028"')
@example("\ufeff1")
@example("[[[[[]]]]]")
@example("[[[[[[]]]]]]")
def test_json_of_any_pieces_is_taken_when_python_takes_it(text: str) -> None:
    assert c_takes(text.encode()) == python_takes(text.encode())


# --- Instants: datetime, which reads more forms than RFC 3339 has. --------------------------

RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
numbers = st.integers(0, 70).map("{:02}".format)
dates = st.builds(
    "{}-{}-{}{}{}:{}:{}{}{}".format,
    st.sampled_from(["0001", "1970", "2028", "2100", "9999", "0000", "999"]),
    st.integers(0, 13).map("{:02}".format),
    st.integers(0, 32).map("{:02}".format),
    st.sampled_from(["T", "t", " ", ""]),
    st.integers(0, 25).map("{:02}".format),
    numbers,
    numbers,
    st.sampled_from(["", ".1", ".1239999", ".", ".000", ",5"]),
    st.sampled_from(["Z", "z", "", "+00:00", "-03:30", "+23:59", "-24:00", "+0100", "+1"]),
)


def python_reads(text: str) -> int | None:
    """Milliseconds since 1970; digits past the third are dropped."""
    if not RFC3339.fullmatch(text):
        return None
    cut = re.sub(r"(\.\d{1,3})\d*", r"\1", text).upper()
    with contextlib.suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(cut).astimezone(UTC)
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return None


def c_reads(text: str) -> int | None:
    try:
        return make(expires=text, now=datetime(1, 1, 1, tzinfo=UTC)).expires_at_ms
    except ValidationError as refused:
        assert {error.field for error in refused.errors} == {"expirationDateTime"}
        return None


@settings(max_examples=400)
@given(dates)
@example("2029-07-07T14:40:40-03:00")
@example("0001-01-01T00:00:00+00:01")
@example("9999-12-31T23:59:59.999-00:01")
def test_an_instant_is_what_python_reads(text: str) -> None:
    wanted = python_reads(text)
    if wanted is None or wanted > -62_135_596_800_000:  # what does not lie ahead is refused
        assert c_reads(text) == wanted


# --- URLs: urllib for the parts, ipaddress and the C library for what is an address. ---------

hosts = st.sampled_from(
    [
        *("example.com", "EXAMPLE.com", "a_b.example", "xn--mrke-loa.example", "example.com."),
        *("127.0.0.1", "0177.1", "0x7f000001", "2130706433", "1.2.3", "[::1]", "[fe80::1%25e]"),
        *("localhost", "-a.example", "a..b", "", "a%2eb", "user@example.com", "example.com\\@a"),
        *("١٢٧.0.0.1", "1.2.3.4.", "0x.example", "example.0x1"),
    ]
)
urls = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "HTTPS://", "http://", "https:/", "//", "https:///"]),
    hosts,
    st.sampled_from(["", ":443", ":8443", ":0443", ":", ":80", ":65536", ":4_43", ":٤٤٣"]),
    st.sampled_from(["", "/", "/a/../b", "/%2e%2e/b", "?x=1", "/a?b#c", "/a b", "/%zz", "/é"]),
)


def is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host.strip("[]")))
    with contextlib.suppress(OSError):
        return bool(socket.inet_aton(host))
    return False


@settings(max_examples=600)
@given(urls)
def test_a_url_that_is_taken_has_the_parts_that_python_finds(url: str) -> None:
    try:
        taken = check_url(url)
    except ValidationError:
        return
    parts, given_parts = urlsplit(taken), urlsplit(url)
    assert parts.scheme == "https"
    assert parts.hostname == given_parts.hostname
    assert (parts.port or 443) == (given_parts.port or 443)
    assert (parts.port or 443) in (443, 8443)
    assert (parts.username, parts.password, parts.fragment) == (None, None, "")
    assert parts.hostname
    assert not is_address(parts.hostname)
    assert taken.isascii()
    assert check_url(taken) == taken


@given(st.sampled_from(["example.com", "a-b.example", "xn--mrke-loa.example"]), st.text())
def test_an_ordinary_url_is_taken_with_any_path_that_is_encoded(host: str, path: str) -> None:
    from_python = f"https://{host}/" + "".join(
        f"%{byte:02X}" for byte in path.encode(errors="replace")
    )
    if len(from_python) <= 2048:
        assert urlsplit(check_url(from_python)).hostname == host
