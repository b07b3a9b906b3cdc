"""Checks the documents: ``make docs``.

Links between them lead somewhere, headings included; their Python compiles; a `make` target
that they name exists; README.md stays within its length. That examples do what they say is
for the tests.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
README_LINES_MAX = 150

_LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^()\s]+)\)|!\[[^\]]*\]\(([^()\s]+)\)")
_FENCE = re.compile(r"^(?P<in> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=in)```$", re.M | re.S)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
_TARGET = re.compile(r"\bmake ([a-z][a-z-]*(?: [a-z][a-z-]*)*)")
_RULE = re.compile(r"^([a-z][a-z-]*):.*##", re.M)


def documents(root: Path) -> list[Path]:
    patterns = ("*.md", "docs/**/*.md", "csrc/**/*.md", "bench/**/*.md", "examples/**/*.md")
    return sorted({path for pattern in patterns for path in root.glob(pattern)})


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


def anchors(text: str) -> set[str]:
    """What a link may name behind ``#``: GitHub's form of each heading."""
    bare = _FENCE.sub("", text)
    headings = (re.sub(r"[`*]", "", found[1]).lower() for found in _HEADING.finditer(bare))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def broken_links(path: Path, text: str) -> Iterator[tuple[int, str]]:
    prose = _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in _LINK.finditer(prose):
        link = found[1] or found[2]
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name) if name else path
        if not target.exists():
            yield line_of(prose, found.start()), f"{link} leads nowhere"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
            yield line_of(prose, found.start()), f"{link}: no such heading"


def broken_examples(text: str) -> Iterator[tuple[int, str]]:
    for found in _FENCE.finditer(text):
        if found["kind"] in ("python", "py"):
            try:
                ast.parse(textwrap.dedent(found["text"]))
            except SyntaxError as error:
                line = line_of(text, found.start("text")) + (error.lineno or 1) - 1
                yield line, f"this is no Python: {error.msg}"


def unknown_targets(text: str, known: set[str]) -> Iterator[tuple[int, str]]:
    """Only in code: `make sure` is prose."""
    for code in re.finditer(r"```.*?```|`[^`\n]+`", text, re.S):
        for found in _TARGET.finditer(code[0]):
            for target in found[1].split():
                if target not in known:
                    place = code.start() + found.start()
                    yield line_of(text, place), f"make {target}: no such target"


def check(root: Path) -> list[str]:
    """A sentence for each mistake."""
    makefiles = [root / "Makefile", *root.glob("*/*.mk"), *root.glob("*/*/*.mk")]
    known = {t for m in makefiles if m.exists() for t in _RULE.findall(m.read_text())}
    mistakes = []
    for path in documents(root):
        text = path.read_text(encoding="utf-8")
        found = [*broken_links(path, text), *broken_examples(text), *unknown_targets(text, known)]
        name = path.relative_to(root)
        mistakes += [f"{name}:{line}: {sentence}" for line, sentence in sorted(found)]
        if name == Path("README.md") and (lines := text.count("\n")) > README_LINES_MAX:
            mistakes.append(f"{name}: {lines} lines, more than {README_LINES_MAX}")
    return mistakes


if __name__ == "__main__":
    wrong = check(ROOT)
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
