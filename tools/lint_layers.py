"""Checks who may use what: ``make lint``.

Each rule below is a function from the repository to the places that break it; its docstring
is what a reader is told. Run on another tree with ``lint_layers.py FOLDER``.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

# --- Files ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    path: Path
    line: int
    text: str


class Source:
    """One file, read once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8", errors="replace")

    @cached_property
    def code(self) -> str:
        """C without comments and literals, each line where it was."""
        return _NOT_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.text)

    @cached_property
    def includes(self) -> list[tuple[int, str]]:
        """(line, header) of each #include; a header of ours stands in quotes, as written."""
        found = _INCLUDE.finditer(self.text)
        return [(self.text.count("\n", 0, m.start()) + 1, m[1]) for m in found]

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """(line, dotted name) of each import, wherever it stands; relative ones resolved."""
        return list(_imports(ast.parse(self.text), self.path))

    def find(self, pattern: str, why: str, *, text: str | None = None) -> Iterator[Problem]:
        """A problem for each match in the code, or in `text`."""
        searched = self.code if text is None else text
        for found in re.finditer(pattern, searched):
            line = searched.count("\n", 0, found.start()) + 1
            yield Problem(self.path, line, f"{found[0].strip()}: {why}")


_NOT_CODE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<[^>\n]+>|"[^"\n]+")', re.MULTILINE)


def _imports(tree: ast.Module, path: Path) -> Iterator[tuple[int, str]]:
    package = _package_of(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = base + (node.module.split(".") if node.module else [])
            yield from ((node.lineno, ".".join([*base, name.name])) for name in node.names)


def _package_of(path: Path) -> list[str]:
    """``…/webhooksub/store/due.py`` is in ["webhooksub", "store"]."""
    parts = list(path.parent.parts)
    if "webhooksub" not in parts:
        return []
    return parts[len(parts) - 1 - parts[::-1].index("webhooksub") :]


class Tree:
    """The repository, or a folder that looks like one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known: dict[Path, Source] = {}

    def files(self, *patterns: str) -> list[Source]:
        """Those that match one of the glob patterns, in order."""
        paths = {path for pattern in patterns for path in self.root.glob(pattern)}
        return [self._source(path) for path in sorted(paths) if self._is_ours(path)]

    def core(self) -> list[Source]:
        return self.files("csrc/core/*.[ch]")

    def binding(self) -> list[Source]:
        return self.files("csrc/binding/*.[ch]")

    def _source(self, path: Path) -> Source:
        return self._known.setdefault(path, Source(path))

    def _is_ours(self, path: Path) -> bool:
        parts = path.relative_to(self.root).parts
        return path.is_file() and not any(part in _NOT_OURS for part in parts)


_NOT_OURS = {".git", ".venv", "build", "dist", "__pycache__"}
_NOT_OURS |= {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}

# --- Rules ---------------------------------------------------------------------------

Rule = Callable[[Tree], Iterator[Problem]]
RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function


@rule
def core_knows_no_python(tree: Tree) -> Iterator[Problem]:
    """the core is plain C: Python.h belongs to csrc/binding"""
    for source in tree.core():
        for line, header in source.includes:
            if header.strip('<>"').lower() == "python.h":
                yield Problem(source.path, line, header)


# Which files of the core may include what is not the C library's. `[._]` after the last
# name ends it or begins a second word: transport_curl.c and transport_curl_loop.c.
MAY_INCLUDE = {
    "curl/": r"url\.c|transport_curl[._].*",
    "openssl/": r"crypto\.c|tls\.c",
    "cjson/": r"json[._].*",
}
# Folders of system headers; any other is of a library that nobody has allowed.
SYSTEM_FOLDERS = ("sys/", "arpa/", "netinet/", "net/", "linux/")


@rule
def libraries_are_where_they_belong(tree: Tree) -> Iterator[Problem]:
    """headers of libcurl, OpenSSL and cJSON only in the files that wrap them"""
    for source in tree.core():
        for line, header in source.includes:
            folder, slash, _ = header.strip('<>"').rpartition("/")
            if slash and not _may_include(source.name, folder.split("/")[0] + "/"):
                yield Problem(source.path, line, header)


def _may_include(name: str, folder: str) -> bool:
    if folder == "cjson/" and name.endswith(".h"):
        return False
    return folder in SYSTEM_FOLDERS or bool(re.fullmatch(MAY_INCLUDE.get(folder, "(?!)"), name))


@rule
def binding_knows_only_python(tree: Tree) -> Iterator[Problem]:
    """the binding converts: no header of a library but Python.h"""
    for source in tree.binding():
        for line, header in source.includes:
            folder, slash, _ = header.strip('<>"').rpartition("/")
            if slash and folder.split("/")[0] + "/" not in SYSTEM_FOLDERS:
                yield Problem(source.path, line, header)


@rule
def lock_is_released_in_one_file(tree: Tree) -> Iterator[Problem]:
    """Python's lock is given up in csrc/binding/engine.c and nowhere else"""
    for source in tree.files("csrc/**/*.[ch]"):
        if source.path != tree.root / "csrc/binding/engine.c":
            yield from source.find(
                r"\b(Py_BEGIN_ALLOW_THREADS|Py_UNBLOCK_THREADS|PyEval_SaveThread)\b",
                "only csrc/binding/engine.c releases it",
            )


@rule
def own_header_comes_first(tree: Tree) -> Iterator[Problem]:
    """a .c file includes its own header first, which shows that the header stands alone"""
    for source in [*tree.core(), *tree.binding()]:
        own = source.path.with_suffix(".h")
        if source.path.suffix == ".c" and own.exists():
            line, first = source.includes[0] if source.includes else (1, "nothing")
            if first != f'"{own.name}"':
                yield Problem(source.path, line, f"{first} stands where {own.name} belongs")


# The modules that deliver. Those that decide stand below them and are tested without.
DELIVERING = re.compile(
    r"(attempt|breaker|conclude|counters|delivery|engine|engine_config|fanout|guard|head|lane"
    r"|loop|origin|payload|queue|report|spill|start|timer|tls|transport.*|work)\.h"
)


@rule
def decisions_stand_below_delivery(tree: Tree) -> Iterator[Problem]:
    """retry.c and matcher.c include nothing of what delivers, not even by way of others"""
    headers = {source.name: source for source in tree.files("csrc/core/*.h")}
    for source in tree.files("csrc/core/retry.c", "csrc/core/matcher.c"):
        for line, header in source.includes:
            for reached in sorted(_reached(header.strip('<>"'), headers)):
                if DELIVERING.fullmatch(reached):
                    yield Problem(source.path, line, f"{header} reaches {reached}")


def _reached(header: str, headers: dict[str, Source]) -> set[str]:
    """The header and all that it includes."""
    reached: set[str] = set()
    waiting = [header]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            included = headers[name].includes if name in headers else []
            waiting += [other.strip('<>"') for _, other in included]
    return reached


@rule
def core_calls_nothing_banned(tree: Tree) -> Iterator[Problem]:
    """no unbounded string function in the core; memory comes from alloc.h,
    libcurl's from blocks.h"""
    for source in tree.core():
        yield from source.find(
            r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi)\s*\(", "has no bound"
        )
        if source.name not in ("alloc.c", "blocks.c"):
            yield from source.find(
                r"\b(malloc|calloc|realloc|free|strdup|strndup|asprintf)\s*\(",
                "memory comes from alloc.h",
            )


# Where a file of the core is tested that has no tests/c/test_NAME.c of its own: through what
# is built on it, or with its neighbours.
TESTED_IN = {
    "action": "tests/c/test_values.c",
    "alloc": "tests/c/test_values.c",
    "attempt": "tests/c/test_engine.c",
    "buf": "tests/c/test_values.c",
    "catalog_derive": "tests/c/test_catalog.c",
    "clock": "tests/c/test_values.c",
    "conclude": "tests/c/test_engine.c",
    "cond": "tests/c/test_engine_threads.c",
    "cover": "tests/c/test_engine_life.c",
    "delivery": "tests/c/test_values.c",
    "fanout": "tests/c/test_event.c",
    "json_scan": "tests/c/test_json.c",
    "loop": "tests/c/test_engine_life.c",
    "nearest": "tests/c/test_trie.c",
    "outcome": "tests/c/test_values.c",
    "plan": "tests/c/test_matcher.c",
    "posting_list": "tests/c/test_postings.c",
    "posting_words": "tests/c/test_postings.c",
    "probe": "tests/c/test_matcher.c",
    "seqmap": "tests/c/test_table.c",
    "slice": "tests/c/test_values.c",
    "status": "tests/c/test_values.c",
    "transport_curl": "tests/hostile/test_endpoints.py",
    "transport_curl_callbacks": "tests/hostile/test_endpoints.py",
    "transport_curl_library": "tests/c/test_transport_options.c",
    "transport_curl_loop": "tests/hostile/test_endpoints.py",
    "transport_curl_names": "tests/hostile/test_slow_dns.py",
    "transport_curl_options": "tests/c/test_transport_options.c",
    "transport_curl_outcome": "tests/hostile/test_endpoints.py",
    "transport_curl_resolve": "tests/hostile/test_slow_dns.py",
    "transport_curl_transfer": "tests/hostile/test_endpoints.py",
    "work": "tests/c/test_engine_life.c",
}


@rule
def core_is_tested(tree: Tree) -> Iterator[Problem]:
    """each file of the core has a test of its name, or stands in TESTED_IN with another"""
    for source in tree.files("csrc/core/*.c"):
        name = source.path.stem
        has_own = (tree.root / f"tests/c/test_{name}.c").exists()
        if name not in TESTED_IN and not has_own:
            yield Problem(source.path, 1, f"tests/c/test_{name}.c does not exist")
        elif name in TESTED_IN and has_own:
            yield Problem(source.path, 1, "has a test of its own, so TESTED_IN need not name it")
        elif name in TESTED_IN and not (tree.root / TESTED_IN[name]).exists():
            yield Problem(source.path, 1, f"{TESTED_IN[name]} does not exist")


@rule
def store_knows_no_delivery(tree: Tree) -> Iterator[Problem]:
    """the store is below everything that uses it"""
    above = ("cli", "contrib", "dispatcher", "delivering")
    for source in tree.files("webhooksub/store/**/*.py"):
        yield from _importing(source, *(f"webhooksub.{name}" for name in above))


@rule
def contrib_uses_the_public_face(tree: Tree) -> Iterator[Problem]:
    """an integration never imports the store; Django's does, for schema and migrations"""
    django = tree.root / "webhooksub/contrib/django"
    for source in tree.files("webhooksub/contrib/**/*.py"):
        if django not in source.path.parents:
            yield from _importing(source, "webhooksub.store")


def _importing(source: Source, *modules: str) -> Iterator[Problem]:
    for line, name in source.imports:
        if any(name == module or name.startswith(f"{module}.") for module in modules):
            yield Problem(source.path, line, f"imports {name}")


TEXTS = [f"**/*.{kind}" for kind in ("[ch]", "py", "pyi", "md", "toml", "mk", "sh", "yml", "ipynb")]
TEXTS += ["Makefile", ".ci/run", ".clang-format"]
# Spelled so that this file holds none of them.
UNFINISHED = r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b"
MACHINE_PATHS = r"(?<![\w.~-])/(work|root|home|Users)/"


@rule
def nothing_is_left_behind(tree: Tree) -> Iterator[Problem]:
    """no note of unfinished work, no path of one machine"""
    for source in tree.files(*TEXTS):
        yield from source.find(UNFINISHED, "belongs to an issue", text=source.text)
        yield from source.find(MACHINE_PATHS, "is a path of one machine", text=source.text)


TOP_LEVEL = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md"}
TOP_LEVEL |= {"SECURITY.md", "pyproject.toml", "setup.py"}


@rule
def nothing_is_dropped_at_the_top(tree: Tree) -> Iterator[Problem]:
    """what is tried out goes to build/: whatever lies at the top is committed some day"""
    for source in tree.files("[!.]*"):
        if source.name not in TOP_LEVEL:
            yield Problem(source.path, 1, "has no place here")


# --- Report --------------------------------------------------------------------------


def check(root: Path) -> list[tuple[Rule, Problem]]:
    """Every place that breaks a rule."""
    tree = Tree(root)
    return [(broken, problem) for broken in RULES for problem in broken(tree)]


def main() -> int:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    found = check(root)
    for broken, problem in found:
        place = f"{problem.path.relative_to(root)}:{problem.line}"
        print(f"{place}: {problem.text} [{broken.__name__}: {broken.__doc__}]")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
