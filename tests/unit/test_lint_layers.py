"""Each rule of ``make lint`` about layers finds what breaks it, and lets the rest be."""

from collections.abc import Callable
from pathlib import Path

import lint_layers
import pytest

Broken = Callable[..., list[str]]


@pytest.fixture
def broken(tmp_path: Path) -> Broken:
    """The names of the rules that a tree with these files breaks, one for each place."""

    def check(files: dict[str, str], *, tested: bool = True) -> list[str]:
        if tested:
            files = {where_tested(name): "" for name in files if where_tested(name)} | files
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [found.__name__ for found, _ in lint_layers.check(tmp_path)]

    return check


def where_tested(name: str) -> str:
    """Where a file of the core is tested; "" for any other file."""
    path = Path(name)
    if path.parent != Path("csrc/core") or path.suffix != ".c":
        return ""
    return lint_layers.TESTED_IN.get(path.stem, f"tests/c/test_{path.stem}.c")


UNFINISHED = "TO" + "DO"
MACHINE_PATH = "/" + "root/hooks.db"

BREAKS = [
    ("core_knows_no_python", "csrc/core/id.c", "#include <Python.h>\n"),
    ("core_knows_no_python", "csrc/core/id.h", "# include <Python.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/id.c", "#include <curl/curl.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/transport.h", "#include <curl/curl.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/url.h", "#include <curl/curl.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/sign.c", "#include <openssl/evp.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/crypto.h", "#include <openssl/evp.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/date.c", "#include <cjson/cJSON.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/json.h", "#include <cjson/cJSON.h>\n"),
    ("libraries_are_where_they_belong", "csrc/core/json.c", "#include <uv/version.h>\n"),
    ("binding_knows_only_python", "csrc/binding/types.c", "#include <openssl/ssl.h>\n"),
    ("lock_is_released_in_one_file", "csrc/binding/ids.c", "Py_BEGIN_ALLOW_THREADS wait();"),
    ("lock_is_released_in_one_file", "csrc/binding/ids.c", "s = PyEval_SaveThread();"),
    ("core_calls_nothing_banned", "csrc/core/id.c", "strcpy(a, b);"),
    ("core_calls_nothing_banned", "csrc/core/id.h", "sprintf (a, b);"),
    ("core_calls_nothing_banned", "csrc/core/alloc.c", "n = atoi(a);"),
    ("core_calls_nothing_banned", "csrc/core/id.c", "p = malloc(8);"),
    ("core_calls_nothing_banned", "csrc/core/id.c", "free(p);"),
    ("store_knows_no_delivery", "webhooksub/store/due.py", "from .. import dispatcher\n"),
    ("store_knows_no_delivery", "webhooksub/store/due.py", "from ..delivering import Loop\n"),
    ("store_knows_no_delivery", "webhooksub/store/a/b.py", "from ... import cli\n"),
    ("store_knows_no_delivery", "webhooksub/store/due.py", "import webhooksub.contrib.flask\n"),
    ("store_knows_no_delivery", "webhooksub/store/due.py", "def f():\n    from .. import cli\n"),
    ("contrib_uses_the_public_face", "webhooksub/contrib/flask.py", "from ..store import base\n"),
    ("contrib_uses_the_public_face", "webhooksub/contrib/a/b.py", "import webhooksub.store\n"),
    ("nothing_is_left_behind", "csrc/core/id.c", f"/* {UNFINISHED}: more */"),
    ("nothing_is_left_behind", "docs/delivery.md", f"{UNFINISHED}\n"),
    ("nothing_is_left_behind", "webhooksub/config.py", f"PATH = {MACHINE_PATH!r}\n"),
    ("nothing_is_dropped_at_the_top", "hooks.db", ""),
]


@pytest.mark.parametrize(("expected", "name", "text"), BREAKS)
def test_a_rule_finds_the_place_that_breaks_it(
    broken: Broken, expected: str, name: str, text: str
) -> None:
    assert broken({name: text}) == [expected]


KEEPS = [
    ("csrc/core/url.c", "#include <curl/curl.h>\n#include <arpa/inet.h>\n"),
    ("csrc/core/transport_curl.h", "#include <curl/curl.h>\n"),
    ("csrc/core/transport_curl_loop.c", "#include <curl/curl.h>\n"),
    ("csrc/core/tls.c", "#include <openssl/ssl.h>\n"),
    ("csrc/core/json_scan.c", "#include <cjson/cJSON.h>\n"),
    ("csrc/core/alloc.c", "p = malloc(8); free(p);"),
    ("csrc/core/id.c", 'whs_free(p); /* like free(p) */ say("malloc(8)"); // atoi(a)\n'),
    ("csrc/core/id.c", "struct whs_allocator a = {.free = release};"),
    ("csrc/binding/engine.c", "Py_BEGIN_ALLOW_THREADS wait();"),
    ("csrc/binding/state.h", "#include <Python.h>\n#include <sys/types.h>\n"),
    ("csrc/binding/ids.c", "/* Py_BEGIN_ALLOW_THREADS is elsewhere */"),
    ("webhooksub/store/due.py", "from ..events import Outcome\nfrom .dispatchers import begin\n"),
    ("webhooksub/contrib/django/models.py", "from ...store import schema\n"),
    ("webhooksub/contrib/flask.py", "from .. import Dispatcher\n"),
    ("docs/delivery.md", "https://example.com/root/hook, mkstemp(XXXXXX)\n"),
    (".venv/lib/other.py", f"# {UNFINISHED}\n"),
    ("build/prove/other.py", f"# {UNFINISHED}\n"),
]


@pytest.mark.parametrize(("name", "text"), KEEPS)
def test_what_keeps_the_rules_is_let_be(broken: Broken, name: str, text: str) -> None:
    assert broken({name: text}) == []


def test_another_header_before_its_own_is_found(broken: Broken) -> None:
    files = {"csrc/core/id.h": "", "csrc/core/id.c": '#include <string.h>\n#include "id.h"\n'}
    assert broken(files) == ["own_header_comes_first"]


def test_a_file_that_leaves_its_own_header_out_is_found(broken: Broken) -> None:
    files = {"csrc/binding/ids.h": "", "csrc/binding/ids.c": "int n;\n"}
    assert broken(files) == ["own_header_comes_first"]


def test_a_file_without_a_header_of_its_own_begins_as_it_likes(broken: Broken) -> None:
    assert broken({"csrc/core/key.c": '#include <string.h>\n#include "subscription.h"\n'}) == []


def test_a_decision_that_includes_delivery_is_found(broken: Broken) -> None:
    assert broken({"csrc/core/retry.c": '#include "engine.h"\n'}) == [
        "decisions_stand_below_delivery"
    ]


def test_a_decision_that_reaches_delivery_by_way_of_others_is_found(broken: Broken) -> None:
    files = {
        "csrc/core/matcher.c": '#include "plan.h"\n',
        "csrc/core/plan.h": '#include "catalog.h"\n',
        "csrc/core/catalog.h": '#include "plan.h"\n#include "transport_curl.h"\n',
    }
    assert broken(files) == ["decisions_stand_below_delivery"]


def test_a_decision_may_include_what_stands_below_it(broken: Broken) -> None:
    files = {
        "csrc/core/retry.c": '#include "date.h"\n#include "outcome.h"\n',
        "csrc/core/date.h": "",
        "csrc/core/outcome.h": '#include "slice.h"\n',
        "csrc/core/slice.h": "",
    }
    assert broken(files) == []


@pytest.mark.parametrize("name", ["id", "loop"])
def test_a_file_of_the_core_without_a_test_is_found(broken: Broken, name: str) -> None:
    assert broken({f"csrc/core/{name}.c": ""}, tested=False) == ["core_is_tested"]


def test_a_file_that_is_said_to_be_tested_elsewhere_and_has_its_own_is_found(
    broken: Broken,
) -> None:
    assert broken({"csrc/core/loop.c": "", "tests/c/test_loop.c": ""}) == ["core_is_tested"]


def test_every_rule_has_a_tree_that_breaks_it(broken: Broken) -> None:
    tested = {name for name, _, _ in BREAKS}
    tested |= {"own_header_comes_first", "decisions_stand_below_delivery"}
    tested |= {"core_is_tested"}
    assert {found.__name__ for found in lint_layers.RULES} == tested


def test_a_problem_is_told_with_its_place_and_its_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "csrc/core").mkdir(parents=True)
    (tmp_path / "csrc/core/id.c").write_text("int n;\n\nchar *p = malloc(1);\n")
    monkeypatch.setattr("sys.argv", ["lint_layers.py", str(tmp_path)])
    (tmp_path / "tests/c").mkdir(parents=True)
    (tmp_path / "tests/c/test_id.c").touch()
    assert lint_layers.main() == 1
    assert capsys.readouterr().out.startswith("csrc/core/id.c:3: malloc(: memory comes from")
