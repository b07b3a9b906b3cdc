"""Runs what the documentation shows, and follows its links.

    python tools/run_docs.py

Every python block of README.md and docs/*.md is executed, those of one page one after the
other in one process and in a folder of its own. Exits with 1 when one fails or a link leads
nowhere.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md")), ROOT / "csrc/README.md"]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SECONDS = 120


def anchors(page: Path) -> set[str]:
    """Of its headings, as hosts of repositories make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def broken_links(page: Path) -> list[str]:
    found = []
    for target in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            found.append(f"{page.relative_to(ROOT)}: {target} leads nowhere")
    return found


def run(page: Path, blocks: list[str]) -> str:
    """What went wrong; "" when nothing did."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "page.py"
        script.write_text("\n".join(blocks))
        command = [sys.executable, "-W", "ignore:no dispatcher", str(script)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode == 0:
        return ""
    return f"{page.relative_to(ROOT)}: a block failed\n{done.stderr}"


def main() -> None:
    executed, wrong = 0, []
    for page in PAGES:
        wrong += broken_links(page)
        if blocks := BLOCK.findall(page.read_text()):
            failure = run(page, blocks)
            wrong += [failure] if failure else []
            executed += len(blocks)
            print(f"{page.relative_to(ROOT)}: {len(blocks)} blocks", flush=True)
    print(f"code blocks executed {executed} / skipped 0, pages {len(PAGES)}")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
