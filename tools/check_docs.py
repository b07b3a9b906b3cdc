"""Checks the documents: ``make docs``.

Links between them lead somewhere, headings included; a `make` target, a file or a name that
they give in code exists; each function of the map stands in its file; the pages that should
fit on few screens do. That what they show runs is for run_docs.py.
"""

import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAP = "csrc/README.md"
LINES_MAX = {"README.md": 150, MAP: 60}

FENCE = re.compile(r"^(?P<in> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=in)```$", re.M | re.S)
# A line that names the file which the block behind it is.
FILE_NAMED = re.compile(r"^ *`(?P<file>[\w-]+(?:/[\w-]+)*\.\w+)`:$", re.M)
_LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^()\s]+)\)|!\[[^\]]*\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
_CODE = re.compile(r"`([^`\n]+)`")
_TARGET = re.compile(r"\bmake ([a-z][a-z-]*(?: [a-z][a-z-]*)*)")
_RULE = re.compile(r"^([a-z][a-z-]*):.*##", re.M)
_FILE = re.compile(r"(?<![\w./-])(?:csrc|docs|tools|tests|bench|webhooksub)/[\w.*/-]+")
_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_MAP_ROW = re.compile(r"^\|[^|]*\| `([^`]+)`[^|]*\| `(?:struct |enum )?(\w+)` \|$", re.M)

Mistakes = Iterator[tuple[int, str]]


def documents(root: Path) -> list[Path]:
    patterns = ("*.md", "docs/**/*.md", "csrc/**/*.md", "bench/**/*.md", "examples/**/*.md")
    return sorted({path for pattern in patterns for path in root.glob(pattern)})


def line_of(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1


class Repository:
    """What documents may name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def targets(self) -> set[str]:
        files = [self.root / "Makefile", *self.root.glob("*/*.mk"), *self.root.glob("*/*/*.mk")]
        files += self.root.glob("examples/*/Makefile")
        return {target for f in files if f.exists() for target in _RULE.findall(f.read_text())}

    @cached_property
    def names(self) -> set[str]:
        """Every word of the sources, and their own names."""
        patterns = ["csrc/*/*.[ch]", "webhooksub/*.pyi"]
        patterns += [f"{folder}/**/*.py" for folder in ("webhooksub", "tests", "examples")]
        files = {path for pattern in patterns for path in self.root.glob(pattern)}
        words = {word for f in files for word in re.findall(r"\w+", f.read_text())}
        return words | {f.stem for f in files}


# --- Rules -----------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """What a link may name behind ``#``: GitHub's form of each heading."""
    bare = FENCE.sub("", text)
    headings = (re.sub(r"[`*]", "", found[1]).lower() for found in _HEADING.finditer(bare))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def without_blocks(text: str) -> str:
    return FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def broken_links(path: Path, text: str) -> Mistakes:
    prose = without_blocks(text)
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


def unknown_targets(text: str, repository: Repository) -> Mistakes:
    """Only in code: `make sure` is prose."""
    for code in re.finditer(r"```.*?```|`[^`\n]+`", text, re.S):
        for found in _TARGET.finditer(code[0]):
            for target in found[1].split():
                if target not in repository.targets:
                    place = code.start() + found.start()
                    yield line_of(text, place), f"make {target}: no such target"


def lost_files(text: str, repository: Repository) -> Mistakes:
    prose = without_blocks(text)
    for code in _CODE.finditer(prose):
        for found in _FILE.finditer(code[1]):
            if not any(repository.root.glob(found[0].rstrip("/"))):
                yield line_of(prose, code.start()), f"{found[0]}: no such file"


def lost_names(text: str, repository: Repository) -> Mistakes:
    """A name with an underscore is ours, and so must be in the sources. A file that the page
    itself has is there."""
    prose = FILE_NAMED.sub("", without_blocks(text))
    for code in _CODE.finditer(prose):
        for found in _NAME.finditer(code[1]):
            if found[0] not in repository.names:
                yield line_of(prose, code.start()), f"{found[0]}: in no source"


def lost_functions(text: str, folder: Path) -> Mistakes:
    """A function begins its line, its type being on the one before."""
    for row in _MAP_ROW.finditer(text):
        file, name = folder / row[1], row[2]
        pattern = rf"^{name}\(" if file.suffix == ".c" and name.islower() else rf"\b{name}\b"
        if not file.exists() or not re.search(pattern, file.read_text(), re.M):
            yield line_of(text, row.start()), f"{name} does not stand in {row[1]}"


def check(root: Path) -> list[str]:
    """A sentence for each mistake."""
    repository, mistakes = Repository(root), []
    for path in documents(root):
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(root))
        found = [*broken_links(path, text), *unknown_targets(text, repository)]
        found += [*lost_files(text, repository), *lost_names(text, repository)]
        if name == MAP:
            found += lost_functions(text, path.parent)
        mistakes += [f"{name}:{line}: {sentence}" for line, sentence in sorted(found)]
        limit = LINES_MAX.get(name)
        if limit and (lines := text.count("\n")) > limit:
            mistakes.append(f"{name}: {lines} lines, more than {limit}")
    return mistakes


if __name__ == "__main__":
    wrong = check(ROOT)
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(1 if wrong else 0)
