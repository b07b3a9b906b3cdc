"""What a subscription may say, by each of the three ways in: value, document, HTTP API.

A mistake is told by the field's name, together with all others; nothing of it is stored, and
the key is in no answer.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from acme import PATH, RECORDS, Make
from evil import Evil, agree
from subscriptions import CANARY, document, make, mistakes

from webhooksub import Dispatcher, Subscription, ValidationError, allow_all, catalogs
from webhooksub.api import ApiAnswer, ApiRequest, SubscriptionApi

pytestmark = pytest.mark.hostile("V")

Serve = Callable[..., Evil]

LEAST = json.loads(document(resource=RECORDS, integrityKey=CANARY))


@pytest.fixture(scope="module")
def hooks() -> Iterator[Dispatcher]:
    """A publisher that is not open to loopback."""
    one = Dispatcher.in_memory(authorizer=allow_all)
    yield one
    one.close()


def post(hooks: Dispatcher, body: str | bytes) -> ApiAnswer:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    headers = {"content-type": "application/json"}
    return SubscriptionApi(hooks).answer(ApiRequest("POST", "/webhooks", "", headers, raw, "ann"))


def refused_fields(hooks: Dispatcher, body: str | bytes) -> set[str]:
    """Of an answer that stores nothing and shows no key."""
    before = len(hooks.subscriptions())
    answer = post(hooks, body)
    assert answer.status in (400, 413), answer.body
    assert CANARY.encode() not in answer.body
    assert len(hooks.subscriptions()) == before
    return {error["field"] for error in json.loads(answer.body).get("errors", [])}


def test_the_least_document_is_accepted(hooks: Dispatcher) -> None:
    """The control of the refusals below."""
    assert post(hooks, json.dumps(LEAST)).status == 201


BAD_URLS: dict[str, Any] = {
    "null": None,
    "a number": 5,
    "a list": ["https://example.com/"],
    "an object": {"url": "https://example.com/"},
    "true": True,
    "empty": "",
    "spaces": "   ",
    "http": "http://example.com/",
    "ftp": "ftp://example.com/",
    "file": "file:///etc/passwd",
    "gopher": "gopher://example.com/",
    "javascript": "javascript:alert(1)",
    "data": "data:text/plain,x",
    "unix": "unix:///run/docker.sock",
    "wss": "wss://example.com/",
    "user and password": "https://user:password@example.com/",
    "a user": "https://user@example.com/",
    "an empty user": "https://@example.com/",
    "a backslash before @": "https://good.example\\@evil.example/",
    "an address as a user": "https://[::1]@evil.example/",
    "three slashes": "https:///evil.example/",
    "one slash": "https:/evil.example/",
    "no slash": "https:evil.example",
    "no scheme": "//evil.example/x",
    "a name alone": "evil.example/x",
    "no host": "https://",
    "a query for a host": "https://?x",
    "port 0": "https://example.com:0/",
    "port 65536": "https://example.com:65536/",
    "port 2^32+443": "https://example.com:4294967739/",
    "a negative port": "https://example.com:-1/",
    "a signed port": "https://example.com:+443/",
    "a wide digit": "https://example.com:4\uff143/",
    "a port with zeros": "https://example.com:00443/",
    "ssh": "https://example.com:22/",
    "mail": "https://example.com:25/",
    "redis": "https://example.com:6379/",
    "a fragment": "https://example.com/#x",
    "an empty fragment": "https://example.com/#",
    "two dots": "https://a..example/",
    "a dot alone": "https://./",
    "a leading dot": "https://.example.com/",
    "a trailing dot": "https://example.com./",
    "a leading hyphen": "https://-bad.example/",
    "a trailing hyphen": "https://bad-.example/",
    "a label of 64": f"https://{'a' * 64}.example/",
    "a name of 254": f"https://{'a.' * 126}aa/",
    "a name of 100 kB": f"https://{'a' * 100_000}/",
    "an encoded host": "https://%65vil.example/",
    "an encoded address": "https://%31%32%37.0.0.1/",
    "an encoded zero": "https://a%00.example/",
    "an encoded slash": "https://a%2f.example/",
    "an encoded at": "https://good%40evil.example/",
    "an address": "https://8.8.8.8/",
    "loopback": "https://127.0.0.1/",
    "a decimal address": "https://2130706433/",
    "an octal address": "https://0177.0.0.1/",
    "a hex address": "https://0x7f.0.0.1/",
    "a hex number": "https://0x7f000001/",
    "a short address": "https://127.1/",
    "zero": "https://0/",
    "an address and a dot": "https://127.0.0.1./",
    "a name that ends in a number": "https://example.1/",
    "loopback in IPv6": "https://[::1]/",
    "anything in IPv6": "https://[2606:4700:4700::1111]/",
    "a mapped address": "https://[::ffff:127.0.0.1]/",
    "a compatible address": "https://[::127.0.0.1]/",
    "6to4": "https://[2002:7f00:1::]/",
    "Teredo": "https://[2001:0:7f00:1::]/",
    "NAT64": "https://[64:ff9b::7f00:1]/",
    "a zone": "https://[fe80::1%25eth0]/",
    "a bare zone": "https://[fe80::1%eth0]/",
    "a future address": "https://[v1.fe80::a]/",
    "localhost": "https://127.0.0.1.:443/",
    "circled letters": "https://\u24d4\u24e5\u24d8\u24db.example/",
    "another alphabet": "https://\u0435xample.com/",
    "a wide dot": "https://127\u30020\u30020\u30021/",
    "a soft hyphen": "https://exam\u00adple.com/",
    "2,049 bytes": "https://example.com/" + "a" * 2_029,
    "8 MB": "https://example.com/" + "a" * (8 << 20),
    "a bare percent": "https://example.com/%",
    "half an escape": "https://example.com/%4",
    "no escape": "https://example.com/%zz",
    "a space in the path": "https://example.com/a b",
    "a leading space": " https://example.com/",
    "a trailing newline": "https://example.com/\n",
    "CR LF": "https://example.com/\r\nX-Evil: 1",
    "a tab": "https://exam\tple.com/",
    "a zero byte": "https://example.com/\0",
    "a zero byte in the host": "https://example.com\0.evil.example/",
    "DEL": "https://example.com/\x7f",
    "C1": "https://example.com/\x85",
}


@pytest.mark.parametrize("name", BAD_URLS)
def test_what_is_no_url_of_ours_is_refused_by_its_field(name: str, hooks: Dispatcher) -> None:
    url = BAD_URLS[name]
    began = time.thread_time()
    fields = refused_fields(hooks, json.dumps(LEAST | {"notificationUrl": url}))
    with pytest.raises((ValidationError, TypeError)):
        make(notification_url=url, resource=None if url is None else RECORDS)
    assert time.thread_time() - began < 2, "not in the time of its length"
    assert fields <= {"notificationUrl", ""}
    # A body of megabytes is not read at all, and a zero byte is in no document.
    assert fields or len(str(url)) > 60_000 or "\0" in str(url)


GOOD_URLS = {
    "HTTPS://EXAMPLE.COM/Path": "https://example.com/Path",
    "https://example.com": "https://example.com/",
    "https://example.com:/": "https://example.com/",
    "https://example.com:443/": "https://example.com/",
    "https://example.com:8443/x": "https://example.com:8443/x",
    "https://example.com?x=1": "https://example.com/?x=1",
    "https://xn--bcher-kva.example/": "https://xn--bcher-kva.example/",
    "https://a_b.example/": "https://a_b.example/",
    "https://example.com/%0d%0aX-Evil:%201": "https://example.com/%0d%0aX-Evil:%201",
    "https://example.com/a;b=c//d?x=%23": "https://example.com/a;b=c//d?x=%23",
    "https://example.com/a/../b/./c": "https://example.com/b/c",
    "https://example.com/a/%2e%2E/b/%2e/.%2e/c": "https://example.com/c",
    "https://example.com/../../%2e%2e/x": "https://example.com/x",
    "https://example.com/a%2eb/...?x=/%2e%2e/": "https://example.com/a%2eb/...?x=/%2e%2e/",
    "https://example.com/" + "a" * 2_028: "https://example.com/" + "a" * 2_028,
}


@pytest.mark.parametrize("url", GOOD_URLS, ids=lambda url: url[:50])
def test_a_url_has_one_form_in_which_it_is_stored(url: str) -> None:
    made = make(notification_url=url)
    assert made.notification_url == GOOD_URLS[url]
    assert make(notification_url=made.notification_url).notification_url == made.notification_url


@pytest.mark.parametrize(
    "path",
    [
        "/%0d%0aX-Evil:%201",
        "/a?b=%0d%0aX-Evil:%201",
        "/%00",
        "/a//b;c=d",
        "/a%2eb/..c",
        "/?%23",
        "/%C3%A9",
    ],
)
def test_what_is_stored_is_what_is_on_the_wire(path: str, make: Make, serve: Serve) -> None:
    endpoint, hooks = serve(agree), make()
    info = hooks.subscribe(RECORDS, "any", endpoint.url(path), expires=timedelta(days=1))
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 1
    [request] = endpoint.requests
    assert info.subscription is not None
    assert info.subscription.notification_url == endpoint.url(path)
    # Newer libcurls write escapes in capitals, which says the same.
    assert request.line.lower() == f"POST {path} HTTP/1.1".lower()
    assert request.headers["x-evil"] is None


# --- Headers. ---

BAD_HEADERS: dict[str, tuple[str, Any]] = {
    "no name": ("", "x"),
    "a space": ("X Y", "x"),
    "a colon": ("X:Y", "x"),
    "CR LF in the name": ("X\r\nEvil", "x"),
    "LF in the name": ("X\nEvil", "x"),
    "a NUL in the name": ("X\0", "x"),
    "8 bits": ("X-\u00e9", "x"),
    "a long name": ("X" * 300, "x"),
    **{
        f"the name {name}": (name, "x")
        for name in (
            "host",
            "Content-Length",
            "transfer-encoding",
            "CONNECTION",
            "Expect",
            "Upgrade",
            "TE",
            "Trailer",
            "Proxy-Authorization",
            "Cookie",
            "WEBHOOK-SIGNATURE",
            "webhook-id",
            "WebHook-Request-Origin",
            "IntegrityHash",
            "content-type",
            "Content-Encoding",
            "Accept-Encoding",
        )
    },
    "CR LF": ("X-A", "x\r\nX-Evil: 1"),
    "LF": ("X-A", "x\nX-Evil: 1"),
    "CR": ("X-A", "x\rX-Evil: 1"),
    "a control character": ("X-A", "x\x01"),
    "DEL": ("X-A", "x\x7f"),
    "8 bits in the value": ("X-A", "\u00e9"),
    "C1 in the value": ("X-A", "x\x85"),
    "a line separator": ("X-A", "x\u2028X-Evil: 1"),
    "4,097 bytes": ("X-A", "x" * 4_097),
    "a number": ("X-A", 5),
    "null": ("X-A", None),
    "a list": ("X-A", ["x"]),
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_a_header_that_is_not_the_owners_to_set_is_refused(name: str, hooks: Dispatcher) -> None:
    header, value = BAD_HEADERS[name]
    fields = refused_fields(hooks, json.dumps(LEAST | {"delivery": {"headers": {header: value}}}))
    assert all(field.startswith("delivery") or field == "" for field in fields), fields


def test_headers_that_differ_by_case_and_too_many_are_refused(hooks: Dispatcher) -> None:
    for headers in ({"X-A": "1", "x-a": "2"}, {f"X-{n}": "1" for n in range(51)}):
        fields = refused_fields(hooks, json.dumps(LEAST | {"delivery": {"headers": headers}}))
        assert fields
        assert all(field.startswith("delivery.headers") for field in fields)


def test_a_tab_in_a_value_is_sent(make: Make, serve: Serve) -> None:
    endpoint, hooks = serve(agree), make()
    headers = {"X-A": "a\tb", "X-Empty": ""}
    hooks.subscribe(
        RECORDS, "any", endpoint.url(), expires=timedelta(days=1), delivery={"headers": headers}
    )
    hooks.publish(PATH, "update")
    assert hooks.flush(timeout=10).delivered == 1
    assert endpoint.requests[0].headers["x-a"] == "a\tb"


@pytest.mark.parametrize(
    "evil", ["x\r\nX-Evil: 1", "x\n\nX-Evil: 1", "\u2028", '"},"x":{"', "\x7f"]
)
def test_no_text_of_a_subscription_gets_out_of_the_body(
    evil: str, make: Make, serve: Serve
) -> None:
    """What is not refused is one string of JSON."""
    endpoint, hooks = serve(agree), make()
    texts = {"brand_code": evil, "notification_messages": evil}
    try:
        hooks.subscribe(RECORDS, "any", endpoint.url(), expires=timedelta(days=1), **texts)
    except ValidationError as error:
        assert {e.field for e in error.errors} <= {"brandCode", "notificationMessages"}
        return
    hooks.publish(PATH, "update", open_id=evil if evil.isprintable() else None)
    assert hooks.flush(timeout=10).delivered == 1
    [request] = endpoint.requests
    assert request.headers["x-evil"] is None
    assert json.loads(request.body)["brandCode"] == evil


# --- Documents. ---


def with_raw(text: str) -> str:
    """The least document, whose brandCode is this text of JSON, letter by letter."""
    return json.dumps(LEAST | {"brandCode": "@"}).replace('"@"', text)


DOCUMENTS: dict[str, str | bytes] = {
    "a key twice": json.dumps(LEAST)[:-1] + ', "resource": "tenant/x/sidedrawer"}',
    "a key twice, once escaped": json.dumps(LEAST)[:-1] + ', "r\\u0065source": "x"}',
    "another case": json.dumps(LEAST | {"NotificationUrl": "https://evil.example/"}),
    "an unknown field": json.dumps(LEAST | {"often": True}),
    "__proto__": json.dumps(LEAST | {"__proto__": {"owner": "eve"}}),
    "__class__": json.dumps(LEAST | {"__class__": "x"}),
    "33 levels": with_raw("[" * 33 + "]" * 33),
    "100,000 levels": "[" * 60_000,
    "invalid UTF-8": with_raw('"@"').encode().replace(b"@", b"\xff"),
    "overlong UTF-8": with_raw('"@"').encode().replace(b"@", b"\xc0\xaf"),
    "a surrogate in UTF-8": with_raw('"\ud800"'),
    "a byte order mark": "\ufeff" + json.dumps(LEAST),
    "UTF-16": json.dumps(LEAST).encode("utf-16"),
    "a lone surrogate": with_raw('"\\ud800"'),
    "surrogates reversed": with_raw('"\\udc00\\ud800"'),
    "an escaped zero": with_raw('"a\\u0000b"'),
    "a raw zero": with_raw('"a\0b"'),
    "an escaped zero in a key": json.dumps(LEAST)[:-1] + ', "maxRetries\\u0000": 1}',
    "a raw newline": with_raw('"a\nb"'),
    "a leading zero": with_raw("007"),
    "a dot at the end": with_raw("1."),
    "NaN": json.dumps(LEAST | {"maxRetries": float("nan")}),
    "Infinity": json.dumps(LEAST | {"maxRetries": float("inf")}),
    "two documents": json.dumps(LEAST) * 2,
    "garbage behind": json.dumps(LEAST) + "x",
    "single quotes": json.dumps(LEAST).replace('"', "'"),
    "a comment": json.dumps(LEAST) + "/* */",
    "a comma too many": json.dumps(LEAST)[:-1] + ",}",
    "nothing": "",
    "one byte": "{",
    "an array": "[]",
    "null": "null",
    "a text": '"x"',
    "64 kB of spaces": json.dumps(LEAST) + " " * 65_536,
    "many keys": json.dumps(LEAST | {f"k{n}": n for n in range(3_000)}),
    "a gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_no_strict_document_is_refused(name: str, hooks: Dispatcher) -> None:
    refused_fields(hooks, DOCUMENTS[name])
    body = DOCUMENTS[name]
    if isinstance(body, str) and len(body) < 65_536:
        with pytest.raises(ValidationError):
            Subscription.from_json(body)


VALUES: dict[str, dict[str, Any]] = {
    **{
        f"retries {value!r}": {"maxRetries": value}
        for value in (-1, 101, 1.5, "5", True, [], 2**53 + 1, 10**20, -0.0)
    },
    **{
        f"date {value!r}": {"expirationDateTime": value}
        for value in (
            "2027-02-30T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:00:60Z",
            "2027-01-01T00:00:00",
            "2027-01-01T00:00:00+25:00",
            "2027-W01-1",
            "1e9",
            1_900_000_000,
            "0000-01-01T00:00:00Z",
            "10000-01-01T00:00:00Z",
            "-001-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2020-01-01T00:00:00Z",
            "2027-01-01",
            " 2027-01-01T00:00:00Z",
            "2027-01-01T00:00:00Z\0",
            "\u0662027-01-01T00:00:00Z",
            "",
        )
    },
    **{
        f"action {value!r}": {"modificationType": value}
        for value in (
            " any",
            "any ",
            "any\x00",
            "act\u0131ve",
            "\uff41ny",
            "order.*",
            "**",
            1,
            True,
        )
    },
    **{
        f"connection {value!r}": {"connectionType": value}
        for value in ("http", "HTTP ", "HTTP\0", "HTTP/1.1", 1, ["HTTP"])
    },
    **{
        f"resource {value!r}"[:60]: {"resource": value}
        for value in (
            "tenant//sidedrawer",
            "/tenant/acme/sidedrawer",
            "tenant/acme/sidedrawer/",
            "tenant/{tenantId}/sidedrawer",
            "tenant/" + "a" * 257 + "/sidedrawer",
            "tenant/a\tb/sidedrawer",
            "tenant/(a+)+$/sidedrawer/*",
            "tenant/acme/" + "x/" * 1_000,
            5,
        )
    },
    "a key of bad base64": {"integrityKey": f"whsec_{CANARY}!"},
    "a key of nothing": {"integrityKey": "whsec_"},
    "a key of 257 bytes": {"integrityKey": CANARY * 20},
    "a key with a newline": {"integrityKey": CANARY + "\n"},
    "a batch without end": {"delivery": {"batch": {"maxNotifications": 10**9}}},
    "a delivery that is a list": {"delivery": []},
    "an unknown wish": {"delivery": {"proxy": "http://evil.example"}},
    "a rate of ours": {"delivery": {"allowedPerMinute": 1_000_000}},
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_that_its_field_cannot_have_is_refused_by_its_name(
    name: str, hooks: Dispatcher
) -> None:
    fields = refused_fields(hooks, json.dumps(LEAST | VALUES[name]))
    [given] = VALUES[name]
    assert {field.split(".")[0] for field in fields} <= {given, ""}


@pytest.mark.parametrize(
    "id_",
    [
        "auth0|12345",
        "a?b#c",
        "..",
        "%2e%2e",
        "null",
        "0",
        "x",
        "{x",
        "e\u0301",
        "\u00e9",
        "a" * 256,
        "\U0001f600",
    ],
)
def test_an_id_is_kept_letter_by_letter(id_: str, make: Make) -> None:
    hooks = make()
    resource = catalogs.SIDEDRAWER.path("tenant/{tenantId}/sidedrawer", tenantId=id_)
    info = hooks.subscribe(resource, "any", "https://example.com/", expires=timedelta(days=1))
    assert hooks.subscription(info.id).resource == f"tenant/{id_}/sidedrawer"
    assert hooks.explain(f"tenant/{id_[:-1]}_/sidedrawer/s", "update") == []


def test_ids_that_differ_by_case_or_form_are_different(make: Make) -> None:
    hooks = make()
    for id_ in ("A", "a", "e\u0301", "\u00e9"):
        hooks.subscribe(
            f"tenant/{id_}/sidedrawer", "any", "https://example.com/", expires=timedelta(days=1)
        )
        heard = hooks.explain(f"tenant/{id_}/sidedrawer/s", "update")
        assert [found.hears for found in heard] == [True]


def test_all_mistakes_of_a_document_come_at_once() -> None:
    wrong = {
        "modificationType": "sometimes",
        "notificationUrl": "http://user@127.0.0.1:22/#x",
        "resource": "nonsense",
        "expirationDateTime": "soon",
        "maxRetries": -1,
        "often": True,
    }
    found = mistakes(lambda: Subscription.from_json(document(**wrong)))
    assert {field for field, _ in found} == set(wrong)


def test_a_document_is_read_on_a_small_stack() -> None:
    """As threads of other runtimes have it."""
    deep = with_raw("[" * 30_000 + "]" * 30_000)
    raised: list[BaseException] = []

    def read() -> None:
        try:
            Subscription.from_json(deep)
        except ValidationError as error:
            raised.append(error)

    before = threading.stack_size(256 * 1_024)
    try:
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert len(raised) == 1
