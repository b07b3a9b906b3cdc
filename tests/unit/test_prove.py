"""The proof is complete only where exactly the right tests are red."""

from collections.abc import Callable
from pathlib import Path

import prove
import pytest
import sabotage

AIMED = "test_step_1_writes"
OTHER = "test_promise_1_durable"

Judge = Callable[..., list[str]]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """What is wrong with a clean run and one under a sabotage of the first of two tests."""
    monkeypatch.setattr(sabotage, "EXPECTED", {"no-write": AIMED, "no-sync": OTHER})
    monkeypatch.setattr(prove, "SUBJECTS", ["step 1", "promise 1"])

    def complaints(*, whole: bool = False, clean: prove.Run, **sabotaged: set[str]) -> list[str]:
        odd = dict.fromkeys(sabotaged.pop("odd", set()), "broken")
        run = prove.Run("no-write", odd=odd, **sabotaged)  # type: ignore[arg-type]
        return list(prove.complaints(clean, [run], whole))

    return complaints


def clean(**other: set[str]) -> prove.Run:
    return prove.Run("clean", green={AIMED, OTHER} - other.get("red", set()), **other)


def test_one_red_test_and_all_others_green_is_a_proof(judge: Judge) -> None:
    assert judge(clean=clean(), red={AIMED}, green={OTHER}) == []
    assert judge(clean=clean(), red={AIMED}, green={OTHER}, whole=True) == []


def test_a_test_that_stays_green_proves_nothing(judge: Judge) -> None:
    [wrong] = judge(clean=clean(), green={AIMED, OTHER})
    assert wrong.startswith("no-write: stayed green")


def test_another_test_that_is_red_too_is_named(judge: Judge) -> None:
    [wrong] = judge(clean=clean(), red={AIMED, OTHER})
    assert wrong.startswith(f"no-write: {OTHER} red")


def test_a_test_that_fails_outside_of_itself_is_not_red(judge: Judge) -> None:
    [wrong] = judge(clean=clean(), odd={AIMED}, green={OTHER})
    assert wrong.startswith(f"no-write: {AIMED} broken")


def test_a_run_that_ran_nothing_proves_nothing(judge: Judge) -> None:
    wrong = judge(clean=clean())
    assert wrong[0].startswith("no-write: nothing ran")


def test_a_test_that_did_not_run_is_not_green(judge: Judge) -> None:
    whole = prove.Run("clean", green={AIMED, OTHER, "test_beside"})
    wrong = judge(clean=whole, red={AIMED}, green={OTHER})
    assert wrong == ["no-write: test_beside did not run"]


def test_a_clean_run_must_be_green(judge: Judge) -> None:
    [wrong] = judge(clean=clean(red={OTHER}), red={AIMED}, green={OTHER})
    assert wrong.startswith(f"clean: {OTHER} red")


def test_a_step_without_a_sabotage_is_named(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "SUBJECTS", ["step 1", "step 2", "promise 1"])
    wrong = judge(clean=clean(), red={AIMED}, green={OTHER}, whole=True)
    assert wrong == ["step 2: no sabotage turns its test red"]


def test_pytest_s_report_is_read(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuites><testsuite>"
        "<testcase name='test_a[1]'/><testcase name='test_a[2]'><failure/></testcase>"
        "<testcase name='test_b'/><testcase name='test_c'><skipped/></testcase>"
        "<testcase name='test_d'><failure/></testcase><testcase name='test_d'><error/></testcase>"
        "</testsuite></testsuites>"
    )
    run = prove.Run("clean")
    prove.read(report, run)
    assert run.green == {"test_b"}
    assert "test_a" in run.red
    assert run.odd == {"test_c": "skipped", "test_d": "broken"}


def test_every_sabotage_is_known_and_aimed() -> None:
    assert prove.unknown_names() == []
    aimed_at = [prove.subject_of(test) for test in sabotage.EXPECTED.values()]
    assert set(aimed_at) == set(prove.SUBJECTS)
