"""``make docs`` runs the notebooks, and finds where one raises."""

from pathlib import Path

import nbformat
import pytest
import run_notebooks

Book = nbformat.NotebookNode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.ipynb"


def write(path: Path, *cells: str, **changes: object) -> Path:
    """A notebook of these code cells; the first one with some changes."""
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    book.cells[0].update(changes)
    nbformat.write(book, path)
    return path


def test_cells_follow_one_another_beside_the_files_of_their_folder(path: Path) -> None:
    (path.parent / "beside.py").write_text("ONE = 1")
    write(path, "from beside import ONE\nopen('made', 'w').close()", "assert ONE == 1")
    assert run_notebooks.run(path) == (2, 2, "")
    assert not (path.parent / "made").exists()


def test_a_cell_that_raises_is_found_and_those_behind_it_are_not_run(path: Path) -> None:
    found, well, wrong = run_notebooks.run(write(path, "x = 1", "x.upper()", "y = 2"))
    assert (found, well) == (3, 1)
    assert "AttributeError" in wrong


def test_outputs_that_were_left_in_are_refused(path: Path) -> None:
    write(path, "1", execution_count=1)
    found, well, wrong = run_notebooks.run(path)
    assert (found, well) == (1, 0)
    assert "clear them" in wrong


def test_what_came_out_is_written_for_people(path: Path, tmp_path: Path) -> None:
    write(path, "from webhooksub import catalogs\ncatalogs.SIDEDRAWER")
    assert run_notebooks.main(["--html", str(tmp_path / "html"), str(path)]) == 0
    assert "13 resources</caption>" in (tmp_path / "html/a.html").read_text()


def test_there_are_notebooks() -> None:
    assert {path.stem for path in run_notebooks.notebooks()} == {"first_look", "why_nothing"}
