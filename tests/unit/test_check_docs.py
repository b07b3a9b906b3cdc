"""``make docs`` finds a link that leads nowhere, an example that is no Python, a lost target."""

from collections.abc import Callable
from pathlib import Path

import check_docs
import pytest

Check = Callable[..., list[str]]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def check_these(text: str, **others: str) -> list[str]:
        (tmp_path / "docs").mkdir()
        (tmp_path / "Makefile").write_text("test: build ## the tests\n")
        (tmp_path / "README.md").write_text(text)
        for name, content in others.items():
            (tmp_path / "docs" / f"{name}.md").write_text(content)
        return check_docs.check(tmp_path)

    return check_these


def test_links_that_lead_somewhere_are_let_be(check: Check) -> None:
    text = "# A `b`: c\n[x](docs/a.md) [y](docs/a.md#one-two) [z](#a-b-c) [w](https://a.example)\n"
    assert check(text, a="## One two\n") == []


@pytest.mark.parametrize("link", ["docs/b.md", "docs/a.md#three", "#nothing"])
def test_a_link_that_leads_nowhere_is_found(check: Check, link: str) -> None:
    [mistake] = check(f"# A\n\n[x]({link})\n", a="## One two\n```\n# three\n```\n")
    assert mistake.startswith(f"README.md:3: {link}")


def test_an_example_that_is_no_python_is_found(check: Check) -> None:
    [mistake] = check("# A\n```python\nx = 1\ny = = 2\n```\n")
    assert mistake.startswith("README.md:4: this is no Python")


def test_an_indented_example_compiles_as_it_is_shown(check: Check) -> None:
    assert check("1. So:\n   ```python\n   x = 1\n   ```\n") == []


def test_a_target_that_does_not_exist_is_found(check: Check) -> None:
    [mistake] = check("Run `make test`, make sure, then:\n\n```sh\nmake tset\n```\n")
    assert mistake == "README.md:4: make tset: no such target"


def test_a_long_readme_is_found(check: Check) -> None:
    [mistake] = check("a\n" * 151)
    assert mistake == "README.md: 151 lines, more than 150"
