"""Checks the documents and runs what they show: ``make docs``.

    python tools/run_docs.py [PAGE...]

All of them are checked by check_docs.py first, and the notebooks run by run_notebooks.py last,
unless pages are named.

The blocks of one page run one after the other, in one process and in a new folder: those of
``python``, and the lines of ``console`` that begin with ``$ ``. What a ``text`` block right
behind a python block shows, or the other lines of a console block, must be what came out; an
ellipsis (``…``) stands for anything. A block behind a line that is nothing but the name of a file
in code and a colon is written to that file instead. Blocks of other kinds are only to be read.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import check_docs
import run_notebooks

# What the surroundings say of a service of their own.
_OF_A_HOST = ("WEBHOOKSUB_", "DJANGO_")
ROOT = Path(__file__).parent.parent
SECONDS_MAX = 300
RUN = ("python", "console")
# A page publishes without delivering where it shows just that.
WARNINGS = ("-W", "error", "-W", "ignore:no dispatcher")


class Wrong(Exception):
    """A block did not do what the page says."""


@dataclass(frozen=True)
class Block:
    """`shown` is the output that the page gives, None where it gives none; `file` the one that
    it is to be written to."""

    kind: str
    line: int
    code: str
    shown: str | None = None
    file: str | None = None


# --- Reading ---------------------------------------------------------------------------


def blocks_of(text: str) -> list[Block]:
    """All that can be run, in order."""
    found = list(check_docs.FENCE.finditer(text))
    blocks = []
    for fence, behind in zip(found, [*found[1:], None][: len(found)], strict=True):
        shown = None
        if behind and behind["kind"] == "text" and not text[fence.end() : behind.start()].strip():
            shown = textwrap.dedent(behind["text"])
        before = text[: fence.start()].rstrip().rpartition("\n")[2]
        named = check_docs.FILE_NAMED.fullmatch(before)
        file = named["file"] if named else None
        if fence["kind"] in RUN or file:
            line = check_docs.line_of(text, fence.start("text"))
            code = textwrap.dedent(fence["text"])
            blocks.append(Block(fence["kind"], line, code, shown, file))
    return blocks


def commands_of(block: Block) -> Iterator[tuple[int, str, str]]:
    """(line, command, shown output) of a console block."""
    parts = re.split(r"^\$ ((?:[^\\\n]|\\[\s\S])*)\n", block.code, flags=re.MULTILINE)
    line = block.line + parts[0].count("\n")
    for command, shown in zip(parts[1::2], parts[2::2], strict=True):
        yield line, command, shown
        line += 1 + command.count("\n") + shown.count("\n")


# --- Running ---------------------------------------------------------------------------


def compare(shown: str, came: str) -> None:
    """Raises Wrong unless what came is what is shown."""
    pattern = re.escape(shown.strip()).replace("…", ".*")
    if not re.fullmatch(pattern, came.strip(), re.DOTALL):
        raise Wrong(f"shows\n{shown.strip()}\nbut gave\n{came.strip()}")


def run_python(block: Block, page: str, names: dict[str, object]) -> None:
    out = io.StringIO()
    # Its line in a traceback is that of the page.
    code = compile("\n" * (block.line - 1) + block.code, page, "exec")
    with contextlib.redirect_stdout(out):
        exec(code, names)
    if block.shown is not None:
        compare(block.shown, out.getvalue())


def write_file(name: str, code: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(code, encoding="utf-8")


def run_console(block: Block) -> None:
    for line, command, shown in commands_of(block):
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=SECONDS_MAX
        )
        if done.returncode:
            raise Wrong(f"line {line}: ended with {done.returncode}\n{done.stdout}{done.stderr}")
        if shown.strip():
            compare(shown, done.stdout)


def run_page(page: str, text: str) -> int:
    """Runs all blocks here, and says on the last line of the output how many ended well."""
    names: dict[str, object] = {"__name__": "__main__"}
    executed = 0
    try:
        for block in blocks_of(text):
            if block.file is not None:
                write_file(block.file, block.code)
            elif block.kind == "python":
                run_python(block, page, names)
            else:
                run_console(block)
            executed += 1
    except Wrong as wrong:
        print(f"{page}:{block.line}: {wrong}", file=sys.stderr)
    except Exception:
        print(f"{page}:{block.line}: raised\n{traceback.format_exc()}", file=sys.stderr)
    print(executed)
    return executed


def run_apart(page: Path) -> tuple[int, str]:
    """(blocks that ended well, what went wrong) of a page, run in a process of its own."""
    command = [sys.executable, *WARNINGS, str(Path(__file__).resolve()), "--here"]
    command.append(str(page.resolve()))
    environment = {k: v for k, v in os.environ.items() if not k.startswith(_OF_A_HOST)}
    # Of a virtual environment: what it holds comes first, as for a reader who activated it.
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=SECONDS_MAX,
            )
        except subprocess.TimeoutExpired:
            return 0, f"{page}: did not end within {SECONDS_MAX} s"
    last = done.stdout.split()[-1:]
    if not last or not last[0].isdigit():
        return 0, f"{page}: died with {done.returncode}\n{done.stderr}"
    return int(last[0]), done.stderr


def main(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["--here"]:
        run_page(arguments[1], Path(arguments[1]).read_text(encoding="utf-8"))
        return 0
    pages = [Path(name) for name in arguments] or check_docs.documents(ROOT)
    executed, shown, wrong = 0, 0, [] if arguments else check_docs.check(ROOT)
    for page in pages:
        count = len(blocks_of(page.read_text(encoding="utf-8")))
        if count:
            well, complaint = run_apart(page)
            executed, shown = executed + well, shown + count
            print(f"{page.name}: {well} of {count} blocks", flush=True)
            wrong += [complaint] if well < count else []
    for book in [] if arguments else run_notebooks.notebooks():
        count, well, complaint = run_notebooks.run(book)
        executed, shown = executed + well, shown + count
        print(f"{book.name}: {well} of {count} cells", flush=True)
        wrong += [complaint] if complaint else []
    print(f"code blocks executed {executed} / skipped {shown - executed}")
    if wrong:
        print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
