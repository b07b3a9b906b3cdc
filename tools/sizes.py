"""Lengths of files and functions, beside what they should be: ``make sizes``.

Advice: it never fails. A C function is counted from its type to its closing brace, a Python
function from ``def`` to its last line without its docstring.
"""

import ast
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
LONGEST = 5


@dataclass(frozen=True, order=True)
class Length:
    lines: int
    place: str


@dataclass(frozen=True)
class Group:
    """Files of one kind and what is wished of them; None is no wish."""

    name: str
    patterns: tuple[str, ...]
    functions: Callable[[str], Iterator[tuple[str, int, int]]]
    file_max: int | None
    median_max: int | None
    p90_max: int | None


# --- Functions: (name, line, lines) of each ----------------------------------------------

# clang-format puts a function's type on its own line, its name at the start of the next, and
# the braces of its body alone at the left edge.
_C_FUNCTION = re.compile(
    r"^(?:[a-z][^\n;{}#/]*\n)?([A-Za-z_]\w*)\([^;{}]*\)\n\{\n.*?^\}", re.M | re.S
)


def c_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for found in _C_FUNCTION.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield found[1], line, found[0].count("\n") + 1


def python_functions(text: str) -> Iterator[tuple[str, int, int]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                docstring = node.body[0]
                lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
            yield node.name, node.lineno, lines


GROUPS = (
    Group("C", ("csrc/*/*.c",), c_functions, 450, 13, 45),
    Group("C headers", ("csrc/*/*.h",), c_functions, 130, None, None),
    Group("C tests", ("tests/c/*.c",), c_functions, None, None, None),
    Group("Python", ("webhooksub/**/*.py",), python_functions, 250, 13, 30),
    Group("Python tests", ("tests/**/*.py",), python_functions, None, None, None),
)

# --- Telling -----------------------------------------------------------------------------


def measure(group: Group) -> tuple[list[Length], list[Length]]:
    """(files, functions), the longest first."""
    files, functions = [], []
    for path in sorted({path for pattern in group.patterns for path in ROOT.glob(pattern)}):
        name, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        files.append(Length(text.count("\n"), name))
        for function, line, lines in group.functions(text):
            functions.append(Length(lines, f"{name}:{line} {function}"))
    return sorted(files, reverse=True), sorted(functions, reverse=True)


def p90(lengths: Sequence[Length]) -> int:
    ordered = sorted(length.lines for length in lengths)
    return ordered[min(len(ordered) - 1, len(ordered) * 9 // 10)]


def beside(value: float, wish: int | None) -> str:
    """``17 (<= 13: over)``."""
    if wish is None:
        return f"{value:g}"
    return f"{value:g} (<= {wish}{': over' if value > wish else ''})"


def tell(group: Group) -> None:
    files, functions = measure(group)
    if not files:
        return
    over = [file for file in files if group.file_max is not None and file.lines > group.file_max]
    print(f"{group.name}: {len(files)} files, {sum(file.lines for file in files)} lines")
    print(f"  longest file     {beside(files[0].lines, group.file_max)}")
    if functions:
        median = statistics.median(function.lines for function in functions)
        print(f"  functions        {len(functions)}")
        print(f"  median function  {beside(median, group.median_max)}")
        print(f"  p90 function     {beside(p90(functions), group.p90_max)}")
    if group.file_max is not None:
        for length in over + functions[:LONGEST]:
            print(f"  {length.lines:6}  {length.place}")
    print()


if __name__ == "__main__":
    for each in GROUPS:
        tell(each)
