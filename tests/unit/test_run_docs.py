"""``make docs`` runs what a page shows, and finds where it is not so."""

from collections.abc import Callable
from pathlib import Path

import pytest
import run_docs

Run = Callable[[str], tuple[int, int, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run_page(text: str) -> tuple[int, int, str]:
        """(blocks found, blocks that ended well, what went wrong)"""
        page = tmp_path / "page.md"
        page.write_text(text)
        return (len(run_docs.blocks_of(text)), *run_docs.run_apart(page))

    return run_page


def python(code: str, shown: str | None = None) -> str:
    behind = "" if shown is None else f"\n```text\n{shown}\n```\n"
    return f"```python\n{code}\n```\n{behind}"


def test_blocks_of_a_page_follow_one_another_in_a_folder_of_their_own(run: Run) -> None:
    text = python("import os\nos.mkdir('a')\nx = 1") + "```console\n$ ls\na\n```\n"
    assert run("# A\n" + text + python("assert x == 1")) == (3, 3, "")


def test_a_block_that_names_a_file_is_written_and_not_run(run: Run) -> None:
    text = "Put this there,\n\n`shop/app.py`:\n\n" + python("print(1 / 0)")
    assert run(text + "```console\n$ cat shop/app.py\nprint(1 / 0)\n```\n") == (2, 2, "")
    assert run("`a.ini`:\n```ini\n[a]\n```\n```console\n$ cat a.ini\n[a]\n```\n") == (2, 2, "")


def test_a_file_that_is_named_in_a_sentence_is_only_named(run: Run) -> None:
    for text in ("This is `a.py`:\n\n", "`a.py`:\n\nIt says:\n\n"):
        assert run(text + python("open('b.py', 'w').close()") + python("open('b.py')"))[1] == 2


def test_a_block_that_raises_is_found_with_its_line_in_the_page(run: Run) -> None:
    found, well, wrong = run("# A\n\n" + python("x = 1\nx.upper()") + python("y = 2"))
    assert (found, well) == (2, 0)
    assert 'page.md", line 5' in wrong
    assert "AttributeError" in wrong


def test_output_that_differs_from_what_is_shown_is_found(run: Run) -> None:
    assert run(python("print(1)", "1")) == (1, 1, "")
    found, well, wrong = run(python("print(2)", "1"))
    assert (found, well) == (1, 0)
    assert "shows\n1\nbut gave\n2" in wrong


def test_an_ellipsis_stands_for_anything(run: Run) -> None:
    assert run(python("print('id 17 of 20')", "id … of 20"))[1] == 1
    assert run(python("print('id 17 of 21')", "id … of 20"))[1] == 0


def test_a_text_that_is_not_right_behind_a_block_is_only_to_be_read(run: Run) -> None:
    assert run(python("print(2)") + "\nLike this:\n\n```text\n1\n```\n")[1] == 1


def test_a_command_that_fails_or_prints_something_else_is_found(run: Run) -> None:
    assert run("```console\n$ true\n$ exit 3\n```\n")[:2] == (1, 0)
    assert run("```console\n$ echo 1\n2\n```\n")[:2] == (1, 0)
    assert run("```console\n$ echo 1 \\\n  2\n1 2\n$ echo 3\n3\n```\n")[:2] == (1, 1)


def test_an_indented_block_runs_as_it_is_shown(run: Run) -> None:
    assert run("1. So:\n   ```python\n   x = 1\n   ```\n")[:2] == (1, 1)


def test_a_block_that_is_no_python_is_found(run: Run) -> None:
    found, well, wrong = run(python("y = = 2"))
    assert (found, well) == (1, 0)
    assert "SyntaxError" in wrong


def test_a_warning_is_found(run: Run) -> None:
    assert run(python("import warnings\nwarnings.warn('old')"))[:2] == (1, 0)


def test_a_page_that_ends_the_process_is_found(run: Run) -> None:
    found, well, wrong = run(python("import os\nos._exit(0)"))
    assert (found, well) == (1, 0)
    assert "died" in wrong


def test_blocks_of_other_kinds_are_not_run(run: Run) -> None:
    assert run("```sh\nexit 1\n```\n```json\n{}\n```\n```\n$ exit 1\n```\n") == (0, 0, "")


def test_what_was_not_run_is_counted_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(python("x = 1") + python("raise ValueError") + python("y = 2"))
    assert run_docs.main([str(page)]) == 1
    assert "code blocks executed 1 / skipped 2" in capsys.readouterr().out
