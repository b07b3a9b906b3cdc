"""Runs the notebooks of docs/notebooks in a real kernel: part of ``make docs``.

    python tools/run_notebooks.py [--html FOLDER] [NOTEBOOK...]

Each runs from its first cell to its last, in a copy of its folder, and must raise nowhere. The
repository has them without outputs, which nobody could trust: ``--html`` writes them with what
they gave now.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/notebooks"
SECONDS_MAX = 300  # of one cell


def notebooks() -> list[Path]:
    return sorted(FOLDER.glob("*.ipynb"))


def cells_of(book: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def run(path: Path, html: Path | None = None) -> tuple[int, int, str]:
    """(code cells, cells that ended well, what went wrong)"""
    book = nbformat.read(path, as_version=4)
    cells = cells_of(book)
    if any(cell.outputs or cell.execution_count for cell in cells):
        return len(cells), 0, f"{path}: has outputs; clear them: they are made when it runs"
    wrong = ""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(path.parent, folder, dirs_exist_ok=True)
        client = NotebookClient(
            book,
            timeout=SECONDS_MAX,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        try:
            client.execute()
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            wrong = f"{path}: {error}"
    if html is not None:
        html.mkdir(parents=True, exist_ok=True)
        text, _ = HTMLExporter().from_notebook_node(book)
        (html / f"{path.stem}.html").write_text(text, encoding="utf-8")
    return len(cells), sum(map(ended_well, cells)), wrong


def ended_well(cell: nbformat.NotebookNode) -> bool:
    return cell.execution_count is not None and not any(
        output.output_type == "error" for output in cell.outputs
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="run notebooks")
    parser.add_argument("--html", type=Path, help="a folder to write them to, with their outputs")
    parser.add_argument("notebooks", type=Path, nargs="*")
    given = parser.parse_args(arguments)
    complaints = []
    for path in given.notebooks or notebooks():
        count, well, wrong = run(path, given.html)
        print(f"{path.name}: {well} of {count} cells", flush=True)
        complaints += [wrong] if wrong else []
    print("\n".join(complaints), end="\n" if complaints else "", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
