"""Tests of the baseline that a run lacks: renamed, moved, removed, skipped; and what is left out on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.run_file import read_run
from tests.plugin.told_samples import OTHER, SPEED, USER, ToldGate, count_junit, summary_of, tell_samples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import SuiteRunner


@pytest.fixture
def gate(
    monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, pytester: pytest.Pytester, fp32_file: Path
) -> ToldGate:
    """Return a gate whose baseline has test_speed of test_user.py and test_other of test_more.py."""
    pytester.makepyfile(test_user=USER, test_more=OTHER)
    gate = tell_samples(monkeypatch, run_suite, pytester, fp32_file)
    gate.write_baseline()
    return gate


@pytest.mark.parametrize("arguments", [(), ("--benchmark-only",), ("-k", "new"), ("-m", "fp32 and perf")])
def test_renamed_test_fails_under_its_name(
    pytester: pytest.Pytester, gate: ToldGate, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_more=USER.replace("test_speed", "test_new"))
    result = gate("--gate", *arguments, "--junit-xml=junit.xml", "-rf")
    chosen = 2 if "-k" in arguments else 3
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED test_more.py::test_other[[]fp32-bs1] - Failed: INCOMPATIBLE: *"])
    assert count_junit(gate.folder / "junit.xml") == (chosen, 2, 0)
    junit = (gate.folder / "junit.xml").read_text()
    assert 'name="test_other[fp32-bs1]"' in junit
    assert '<property name="gate" value="INCOMPATIBLE"' in junit


def test_removed_and_moved_tests_fail(pytester: pytest.Pytester, gate: ToldGate) -> None:
    (pytester.path / "test_more.py").rename(pytester.mkdir("below") / "test_more.py")
    result = gate("--gate")
    result.assert_outcomes(passed=1, failed=2)
    verdicts = [line.partition(": ")[::2] for line in summary_of(result)[:-2]]
    assert {test: text.partition(":")[0] for test, text in verdicts} == {
        SPEED: "PASS",
        "test_more.py::test_other[fp32-bs1]": "INCOMPATIBLE",
        "below/test_more.py::test_other[fp32-bs1]": "NO_BASELINE",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("-k", "speed"),
        ("test_user.py",),
        (SPEED,),
        ("test_user.py::test_speed",),
        ("--deselect", "test_more.py"),
        ("--ignore", "test_more.py"),
        ("--ignore-glob", "*more.py"),
    ],
)
def test_what_is_left_out_is_not_missing(gate: ToldGate, arguments: tuple[str, ...]) -> None:
    result = gate("--gate", *arguments)
    result.assert_outcomes(passed=1, deselected=result.parseoutcomes().get("deselected", 0))
    assert result.ret == pytest.ExitCode.OK


def test_update_keeps_what_is_left_out_and_takes_out_what_is_gone(pytester: pytest.Pytester, gate: ToldGate) -> None:
    gate("--gate-update", "-k", "speed").assert_outcomes(passed=1, deselected=5)
    assert len(read_run(gate.baseline)) == 2
    gate("--gate-update", "test_user.py").assert_outcomes(passed=1, deselected=2)
    assert len(read_run(gate.baseline)) == 2
    gate("--gate-update", "--ignore", "test_more.py").assert_outcomes(passed=1, deselected=2)
    assert len(read_run(gate.baseline)) == 2
    (pytester.path / "test_more.py").unlink()
    result = gate("--gate-update")
    assert set(read_run(gate.baseline)) == {SPEED}
    assert summary_of(result) == ["1 written into base.json, and 1 that no longer exist taken out"]


def test_file_that_cannot_be_collected_is_not_gone(pytester: pytest.Pytester, gate: ToldGate) -> None:
    pytester.makepyfile(test_more="import not_there\n")
    assert gate("--gate-update", "--continue-on-collection-errors").ret == pytest.ExitCode.TESTS_FAILED
    assert len(read_run(gate.baseline)) == 2


@pytest.mark.parametrize("way", ["the file skips itself", "pytest does not look there"])
def test_file_that_is_not_looked_into_is_not_gone(pytester: pytest.Pytester, gate: ToldGate, way: str) -> None:
    pytester.makepyfile(test_more=f"import pytest\npytest.importorskip('not_there')\n{OTHER}")
    hidden = () if way == "the file skips itself" else ("-o", "python_files=test_user.py")
    gate("--gate-update", *hidden)
    assert len(read_run(gate.baseline)) == 2
    result = gate("--gate", *hidden)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert summary_of(result)[-2] == "1 PASS, 1 INCOMPATIBLE"


def test_skipped_test_fails(pytester: pytest.Pytester, gate: ToldGate) -> None:
    pytester.makepyfile(test_more=OTHER.replace("@", "@pytest.mark.skip\n@", 1))
    result = gate("--gate", "-rf", "--junit-xml=junit.xml")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["INCOMPATIBLE: was not measured, but base.json has it: * (Skipped: unconditional*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert summary_of(result)[-2] == "1 PASS, 1 INCOMPATIBLE"
    assert count_junit(gate.folder / "junit.xml") == (2, 1, 0)
    assert '<property name="gate" value="INCOMPATIBLE"' in (gate.folder / "junit.xml").read_text()


def test_test_that_skips_itself_fails(pytester: pytest.Pytester, gate: ToldGate) -> None:
    pytester.makepyfile(test_more=OTHER.replace("    assert", "    pytest.skip('not today')\n    assert"))
    gate("--gate").assert_outcomes(passed=1, failed=1)


def test_expected_failure_does_not_hide_a_verdict(pytester: pytest.Pytester, gate: ToldGate) -> None:
    pytester.makepyfile(test_more=OTHER.replace("@", "@pytest.mark.xfail\n@", 1))
    gate.samples.slower = 1.06
    result = gate("--gate", "--junit-xml=junit.xml")
    result.assert_outcomes(failed=2)
    assert count_junit(gate.folder / "junit.xml") == (2, 2, 0)


def test_smaller_choice_of_batch_sizes_is_not_missing(gate: ToldGate) -> None:
    gate.write_baseline("--batch-size=1,4")
    gate("--gate", "--batch-size=4").assert_outcomes(passed=2)
    gate("--gate", "--batch-size=1").assert_outcomes(passed=2)
