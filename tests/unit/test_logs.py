"""What is logged: one logger, known kinds, one line, nothing that is secret."""

import ast
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from acme import KEY, PATH, RECORDS

import webhooksub
from webhooksub import Dispatcher, allow_all
from webhooksub.logs import LOGGER, about, one_line
from webhooksub.logs import RECORDS as KINDS
from webhooksub.testing import Receiver

ROOT = Path(__file__).parents[2]
SOURCES = sorted(Path(webhooksub.__file__).parent.glob("**/*.py"))
LEVELS = {"info", "warning", "error", "exception"}
log = logging.getLogger(LOGGER)


def calls(source: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node


def kind_of(call: ast.Call) -> ast.expr | None:
    """The kind that a call of a logger names by ``extra=about(kind, …)``."""
    extra = next((k.value for k in call.keywords if k.arg == "extra"), None)
    if isinstance(extra, ast.Call) and isinstance(extra.func, ast.Name):
        return extra.args[0] if extra.func.id == "about" else None
    return extra


def logged(source: Path) -> Iterator[ast.Call]:
    for call in calls(source):
        of = call.func
        is_log = isinstance(of, ast.Attribute) and ast.unparse(of.value) == "log"
        if is_log and of.attr in LEVELS:
            yield call


# --- the list ------------------------------------------------------------------------


def test_every_record_names_its_kind() -> None:
    found = [(source, call) for source in SOURCES for call in logged(source)]
    assert len(found) > 20
    for source, call in found:
        assert kind_of(call) is not None, f"{source}:{call.lineno}: extra=about(kind, …)"


def test_every_kind_that_is_named_is_in_the_list_and_the_other_way_round() -> None:
    named = {
        call.args[0].value
        for source in SOURCES
        for call in calls(source)
        if ast.unparse(call.func) in ("about", "OperatorEvent")
        and isinstance(call.args[0], ast.Constant)
    }
    told_by_the_core = {"failing", "recovered", "disabled"}
    assert named | told_by_the_core == set(KINDS)


def test_there_is_one_logger() -> None:
    names = {
        ast.unparse(call.args[0])
        for source in SOURCES
        for call in calls(source)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "getLogger"
    }
    assert names == {"'webhooksub'", "LOGGER"}


def test_the_document_has_the_same_list() -> None:
    text = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    for kind, (level, meaning) in KINDS.items():
        assert f"| `{kind}` | {logging.getLevelName(level)} | {meaning} |" in text


# --- a record ------------------------------------------------------------------------


def test_a_message_is_one_line_without_what_steers_a_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log.warning("an owner %s", "ann\nFORGED: line\x1b[2J\u202e", extra=about("failing", n=1))
    [record] = caplog.records
    assert record.getMessage() == "an owner ann\\nFORGED: line\\x1b[2J\\u202e"
    assert (record.kind, record.facts) == ("failing", {"n": 1})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://a.example/x?token=canary", "https://a.example/x"),
        ("at 'https://u.example:8443/?q=canary#f', then", "at 'https://u.example:8443/', then"),
        ("HTTPS://A/?canary HTTPS://B/y?z=canary.", "HTTPS://A/ HTTPS://B/y"),
        ("sqlite:///hooks.db?key=canary", "sqlite:///hooks.db"),
        ("is it so? yes", "is it so? yes"),
    ],
)
def test_an_address_ends_before_its_query(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_traceback_becomes_the_end_of_the_line(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError("no\nsuch thing at https://a.example/?token=canary")

    try:
        fail()
    except ValueError:
        log.exception("it failed", extra=about("api_defect"))
    [record] = caplog.records
    text = logging.Formatter("%(message)s").format(record)
    assert text.startswith("it failed: ValueError: no\\nsuch thing at https://a.example/")
    assert "canary" not in text
    assert "in fail, from test_logs.py:" in text
    assert "\n" not in text
    assert record.traceback.startswith("Traceback (most recent call last):\n")


def test_what_a_delivery_logs_is_of_known_kinds_and_without_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    quick = {"retry_steps_ms": (50,), "retry_jitter": 0, "retry_max_retries": 1, "poll_ms": 30}
    url = f"sqlite:///{tmp_path / 'hooks.db'}"
    hooks = Dispatcher(url, authorizer=allow_all, dev=True, config=quick)
    with Receiver() as receiver, hooks:
        receiver.answer(500, body=b"canary-answer")
        hooks.subscribe(
            RECORDS,
            "any",
            receiver.url("/hook?token=canary-query"),
            expires=timedelta(days=1),
            integrity_key=KEY,
        )
        hooks.publish(PATH, "update", {"canary": "canary-data"})
        while hooks.flush(timeout=10).waiting:
            pass
    records = [r for r in caplog.records if r.name == LOGGER]
    kinds = [r.kind for r in records]
    assert {"started", "stopped", "failing", "dead"} <= set(kinds)
    for record in records:
        level, _ = KINDS[record.kind]
        assert record.levelno == level
        told = record.getMessage() + json.dumps(record.facts)
        assert not {"canary", KEY} & set(told.replace("-", " ").split())
        assert "canary" not in told
        assert "\n" not in record.getMessage()
