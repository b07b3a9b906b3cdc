"""Writes the table of docs/configuration.md from webhooksub/config.py.

    python tools/config_table.py [--check]

The meaning of a setting is the comment beside its default.
"""

import ast
import dataclasses
import sys
from pathlib import Path

from webhooksub import config

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "configuration.md"
SOURCE = ROOT / "webhooksub" / "config.py"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
TITLES = {
    "delivery": "Delivery",
    "retry": "Retries",
    "signing": "Signing",
    "http": "Connections",
    "store": "Store",
    "dispatcher": "Dispatcher",
    "subscriptions": "Subscriptions",
    "sockets": "Sockets",
}


def meanings() -> dict[str, str]:
    """Setting → the comment at the end of its lines."""
    text = SOURCE.read_text()
    lines = text.splitlines()
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            _, _, comment = lines[(node.end_lineno or node.lineno) - 1].partition("  # ")
            found[node.target.id] = comment
    return found


# The largest unit that leaves a whole number is the one to read.
_TIMES = ((86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))
_SIZES = ((1024**3, "GiB"), (1024**2, "MiB"))


def default_text(name: str, value: object) -> str:
    """As it would be written, and how a person would say it."""
    if value is None or value == ():
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    values = value if isinstance(value, tuple) else (value,)
    written = ",".join(str(item) for item in values)
    units = _TIMES if name.endswith("_ms") else _SIZES if "_bytes" in name else ()
    said = ", ".join(_in_unit(item, units) for item in values)
    return f"`{written}`" + (f" ({said})" if said != written else "")


def _in_unit(number: object, units: tuple[tuple[int, str], ...]) -> str:
    if not isinstance(number, int):
        return str(number)
    for size, unit in units:
        # A day is said as 24 h; from two on, as days.
        if number >= size * (2 if unit == "days" else 1) and number % size == 0:
            return f"{number // size} {unit}"
    return f"{number:,}" if number >= 1_000_000 else str(number)


def table() -> str:
    comments, rows = meanings(), []
    for section in dataclasses.fields(config.Config):
        part = getattr(config.Config(), section.name)
        rows += [
            f"\n### {TITLES[section.name]}\n",
            "| setting | in the environment | default | meaning |",
            "|---|---|---|---|",
        ]
        for field in dataclasses.fields(part):
            default = default_text(field.name, getattr(part, field.name))
            variable = config.ENVIRONMENT_PREFIX + field.name.upper()
            meaning = comments[field.name]
            if not meaning:
                sys.exit(f"{SOURCE.name}: {field.name} has no comment that says what it is")
            rows.append(f"| `{field.name}` | `{variable}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    wanted = head + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1]
    if "--check" in sys.argv:
        stale = "docs/configuration.md is not current: run tools/config_table.py"
        sys.exit(None if page == wanted else stale)
    PAGE.write_text(wanted)


if __name__ == "__main__":
    main()
