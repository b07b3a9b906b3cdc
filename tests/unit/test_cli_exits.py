"""Exit codes stand in one table; the help and the documents say the same."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from webhooksub.cli import main
from webhooksub.cli.exits import MEANINGS, Exit
from webhooksub.errors import StoreUnavailable

DOCUMENT = Path(__file__).parents[2] / "docs/cli.md"


def test_every_exit_code_has_a_meaning_that_the_help_tells() -> None:
    assert set(MEANINGS) == set(Exit)
    told = " ".join(CliRunner().invoke(main, ["--help"]).stdout.split())
    assert all(f"{int(code)} {meaning}" in told for code, meaning in MEANINGS.items())


def test_the_document_has_the_same_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        assert f"| {int(code)} | {meaning} |" in text


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (StoreUnavailable("the disk is full"), 1)]
)
def test_what_ends_a_command_is_its_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    @click.command()
    def breaks() -> None:
        raise error

    monkeypatch.setitem(main.commands, "breaks", breaks)
    assert CliRunner().invoke(main, ["breaks"]).exit_code == code


def test_every_command_helps_and_every_list_speaks_json() -> None:
    def walk(command: click.Command, path: tuple[str, ...]) -> None:
        done = CliRunner().invoke(main, [*path, "--help"])
        assert done.exit_code == 0, done.output
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                walk(inner, (*path, name))
        elif path[-1] not in SPEAK_OTHERWISE:
            assert "--json" in done.stdout, path

    walk(main, ())


# They run until they are ended, or print what another program reads.
SPEAK_OTHERWISE = ("serve", "worker", "export", "completion")
