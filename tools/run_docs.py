"""Checks the documents and runs what they show: ``make docs``.

Every python block is executed, those of one page one after the other in one process and in a
folder of its own. Exits with 1 when one fails, or when check_docs.py finds a mistake.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from check_docs import ROOT, check, documents

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 120


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
    executed, wrong = 0, check(ROOT)
    pages = documents(ROOT)
    for page in pages:
        if blocks := BLOCK.findall(page.read_text()):
            failure = run(page, blocks)
            wrong += [failure] if failure else []
            executed += len(blocks)
            print(f"{page.relative_to(ROOT)}: {len(blocks)} blocks", flush=True)
    print(f"code blocks executed {executed} / skipped 0, pages {len(pages)}")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
