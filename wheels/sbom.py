"""Puts into a wheel what it says of its contents: an SBOM (CycloneDX, PEP 770) and licences.

``sbom.py DEPS WHEEL FOLDER`` writes the wheel to FOLDER; DEPS is what `deps.sh` has built.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from sources import LIBRARIES, changes_code, read_patches


def component(name: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """A library as CycloneDX has it: what it is, from which file, with which patches."""
    version, debian = chosen["version"], chosen["debian"]
    purl = f"pkg:generic/{name}@{version}"
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "licenses": [{"license": {"id": LIBRARIES[name].license}}],
        "purl": purl,
        "hashes": [{"alg": "SHA-256", "content": chosen["sha256"]}],
    }
    if debian:
        texts = read_patches(Path(debian["tarball"]))
        made["pedigree"] = {
            "ancestors": [
                {
                    "type": "library",
                    "name": name,
                    "version": debian["version"],
                    "purl": f"pkg:deb/debian/{name}@{debian['version']}?arch=source",
                }
            ],
            "notes": "Debian's patches: "
            + (", ".join(n for n, text in texts.items() if changes_code(text)) or "none"),
        }
    return made


def describe(wheel: Path, chosen: dict[str, Any]) -> dict[str, Any]:
    name, version = wheel.name.split("-")[:2]
    purl = f"pkg:pypi/{name}@{version}"
    parts = [component(part, chosen[part]) for part in sorted(chosen)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
            },
        },
        "components": parts,
        "dependencies": [{"ref": purl, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def main() -> None:
    deps, wheel, target = map(Path, sys.argv[1:])
    chosen = json.loads((deps / "components.json").read_text())
    tool = [sys.executable, "-m", "wheel"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*tool, "unpack", "--dest", folder, wheel], check=True, stdout=sys.stderr)
        [tree] = Path(folder).iterdir()
        [info] = tree.glob("*.dist-info")
        (info / "sboms").mkdir()
        text = json.dumps(describe(wheel, chosen), indent=2) + "\n"
        (info / "sboms" / "bundled.cdx.json").write_text(text)
        shutil.copytree(deps / "licenses", info / "licenses" / "bundled")
        target.mkdir(exist_ok=True)
        command: list[str | Path] = [*tool, "pack", "--dest-dir", target, tree]
        subprocess.run(command, check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
