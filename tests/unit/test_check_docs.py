"""``make docs`` finds a link, target, file, name or function that is not there."""

from collections.abc import Callable
from pathlib import Path

import check_docs
import pytest

Check = Callable[..., list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def check_these(text: str, **others: str) -> list[str]:
        for folder in ("docs", "csrc/core", "webhooksub"):
            (tmp_path / folder).mkdir(parents=True)
        (tmp_path / "csrc/core/id.c").write_text("int\nwhs_id(void)\n{\n    whs_other();\n}\n")
        (tmp_path / "csrc/core/id.h").write_text("struct whs_name;\n")
        (tmp_path / "webhooksub/config.py").write_text("poll_ms = 500\n")
        (tmp_path / "Makefile").write_text("test: build ## the tests\n")
        (tmp_path / "README.md").write_text(text)
        for name, content in others.items():
            folder = "csrc" if name == "README" else "docs"
            (tmp_path / folder / f"{name}.md").write_text(content)
        return check_docs.check(tmp_path)

    return check_these


def test_links_that_lead_somewhere_are_let_be(check: Check) -> None:
    text = "# A `b`: c\n[x](docs/a.md) [y](docs/a.md#one-two) [z](#a-b-c) [w](https://a.example)\n"
    assert check(text, a="## One two\n") == []


@pytest.mark.parametrize("link", ["docs/b.md", "docs/a.md#three", "#nothing"])
def test_a_link_that_leads_nowhere_is_found(check: Check, link: str) -> None:
    [mistake] = check(f"# A\n\n[x]({link})\n", a="## One two\n```\n# three\n```\n")
    assert mistake.startswith(f"README.md:3: {link}")


def test_a_target_that_does_not_exist_is_found(check: Check) -> None:
    [mistake] = check("Run `make test`, make sure, then:\n\n```sh\nmake tset\n```\n")
    assert mistake == "README.md:4: make tset: no such target"


def test_a_long_readme_is_found(check: Check) -> None:
    [mistake] = check("a\n" * 151)
    assert mistake == "README.md: 151 lines, more than 150"


def test_a_file_that_does_not_exist_is_found(check: Check) -> None:
    text = "`csrc/core/id.c`, `csrc/core/*.h` and `csrc/core`, but no\n`csrc/core/ids.c`\n"
    assert check(text) == ["README.md:2: csrc/core/ids.c: no such file"]


def test_a_name_that_no_source_has_is_found(check: Check) -> None:
    text = "`poll_ms=3`, `whs_id`, `whs_<noun>`, `snake`, poll_s\n\n`poll_s`\n"
    assert check(text) == ["README.md:3: poll_s: in no source"]


def test_a_file_that_the_page_itself_has_is_there(check: Check) -> None:
    text = "`test_shop.py`:\n\n```python\n```\n\nRun `test_shop.py` or `test_shop`.\n"
    assert check(text) == ["README.md:6: test_shop: in no source"] * 2


def test_an_example_has_targets_and_names_of_its_own(check: Check, tmp_path: Path) -> None:
    (tmp_path / "examples/a").mkdir(parents=True)
    (tmp_path / "examples/a/Makefile").write_text("show: ## what it does\n")
    (tmp_path / "examples/a/shop.py").write_text("open_shop = 1\n")
    assert check("`make show`, `open_shop`, `open_bank`\n") == [
        "README.md:1: open_bank: in no source"
    ]


MAP = "| question | file | function |\n|---|---|---|\n| Where? | `core/{}` | `{}` |\n"


@pytest.mark.parametrize(("file", "name"), [("id.c", "whs_id"), ("id.h", "struct whs_name")])
def test_a_row_of_the_map_that_is_so_is_let_be(check: Check, file: str, name: str) -> None:
    assert check("# A\n", README=MAP.format(file, name)) == []


@pytest.mark.parametrize(("file", "name"), [("id.c", "whs_other"), ("id.h", "whs_id")])
def test_a_function_that_stands_elsewhere_is_found(check: Check, file: str, name: str) -> None:
    [mistake] = check("# A\n", README=MAP.format(file, name))
    assert mistake == f"csrc/README.md:3: {name} does not stand in core/{file}"
