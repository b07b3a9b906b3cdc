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


def default_text(value: object) -> str:
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(f"{item:,}" if isinstance(item, int) else str(item) for item in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,}" if isinstance(value, int) else str(value)


def table() -> str:
    comments, rows = meanings(), []
    for section in dataclasses.fields(config.Config):
        part = getattr(config.Config(), section.name)
        rows += [
            f"\n### {TITLES[section.name]}\n",
            "| setting | default | meaning |",
            "|---|---|---|",
        ]
        for field in dataclasses.fields(part):
            default = default_text(getattr(part, field.name))
            rows.append(f"| `{field.name}` | {default} | {comments[field.name]} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    wanted = head + BEGIN + "\n" + table() + "\n" + END + rest.split(END)[1]
    if "--check" in sys.argv:
        sys.exit(None if page == wanted else "docs/configuration.md is not current: make docs")
    PAGE.write_text(wanted)


if __name__ == "__main__":
    main()
