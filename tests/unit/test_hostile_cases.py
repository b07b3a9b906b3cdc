"""The list of hostile cases names tests that are there."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
LIST = TESTS / "hostile" / "README.md"


def test_every_test_that_the_list_names_is_there() -> None:
    rows = [line for line in LIST.read_text().splitlines() if line.startswith("| ")]
    named = set(re.findall(r"`([a-z0-9_]+(?:\.(?:py|c))?)`", " ".join(rows)))
    named -= {"__proto__"}
    sources = [*TESTS.glob("*/*.py"), *TESTS.glob("c/*.c")]
    known = {path.name for path in sources}
    for path in sources:
        known |= set(re.findall(r"^(?:def test_)?(\w+)\(", path.read_text(), re.MULTILINE))
    assert len(named) > 80
    assert named <= known, sorted(named - known)


def test_every_module_of_the_suite_is_in_a_group() -> None:
    for path in (TESTS / "hostile").glob("test_*.py"):
        assert 'pytest.mark.hostile("' in path.read_text(), path.name
