"""The gate's hooks: one verdict in JUnit's file, exit status and summary; missing, skipped and failed tests; files."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.run_file import read_run
from tests.plugin.gate.made_entries import replace_fact
from tests.plugin.told_samples import SPEED, USER, ToldGate, count_junit, tell_samples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import SuiteRunner

OTHER = USER.replace("test_speed", "test_other")


@pytest.fixture
def gate(
    monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, pytester: pytest.Pytester, fp32_file: Path
) -> ToldGate:
    pytester.makepyfile(test_user=USER)
    return tell_samples(monkeypatch, run_suite, pytester, fp32_file)


def summary_of(result: pytest.RunResult) -> list[str]:
    """Return the lines of the gate's section."""
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if "= gate (" in line)
    section = takewhile(lambda line: not line.startswith(("=", "-")), lines[start + 1 :])
    return [line for line in section if line]


@pytest.mark.parametrize(
    ("slower", "scatter", "option", "verdict", "is_green"),
    [
        (1.0, 0.001, "fail", "PASS", True),
        (0.9, 0.001, "fail", "IMPROVED", True),
        (1.06, 0.001, "pass", "REGRESSED", False),
        (1.0, 0.3, "fail", "INCONCLUSIVE", False),
        (1.0, 0.3, "pass", "INCONCLUSIVE", True),
    ],
)
def test_report_exit_status_and_summary_agree(
    gate: ToldGate, slower: float, scatter: float, option: str, verdict: str, *, is_green: bool
) -> None:
    gate.samples.scatter = scatter
    gate("--gate-update").assert_outcomes(passed=1)
    gate.samples.slower = slower
    result = gate("--gate", f"--gate-inconclusive={option}", "--junit-xml=junit.xml", "-rf")
    result.assert_outcomes(passed=int(is_green), failed=int(not is_green))
    assert result.ret == (pytest.ExitCode.OK if is_green else pytest.ExitCode.TESTS_FAILED)
    line, count, written = summary_of(result)
    assert line.startswith(f"{SPEED}: {verdict}: ")
    assert count == f"1 {verdict}"
    assert written == f"the run is in out/{gate.read_output().name}"
    assert count_junit(gate.folder / "junit.xml") == (1, int(not is_green), 0)
    assert f'<property name="gate" value="{verdict}"' in (gate.folder / "junit.xml").read_text()
    assert "Traceback" not in result.stdout.str()
    if not is_green:
        result.stdout.fnmatch_lines([f"FAILED {SPEED.replace('[', '[[]')} - Failed: {verdict}*"])


def test_baseline_is_not_written_by_the_gate(gate: ToldGate) -> None:
    gate.write_baseline()
    before = gate.baseline.read_bytes()
    gate("--gate").assert_outcomes(passed=1)
    gate.samples.slower = 1.5
    gate("--gate").assert_outcomes(failed=1)
    assert gate.baseline.read_bytes() == before


def test_run_s_file_is_a_run(gate: ToldGate) -> None:
    gate.write_baseline()
    gate("--gate")
    (entry,) = read_run(gate.read_output()).values()
    assert (entry.test, len(entry.samples)) == (SPEED, 5)
    assert '"verdict":"PASS"' in gate.read_output().read_text()


def test_no_baseline_for_a_test_fails_before_anything_is_drawn(pytester: pytest.Pytester, gate: ToldGate) -> None:
    gate.write_baseline()
    pytester.makepyfile(test_more=OTHER)
    result = gate("--gate", "--junit-xml=junit.xml", tests=["test_more.py"])
    result.assert_outcomes(failed=1)
    assert gate.samples.orders == []
    assert summary_of(result) == [
        "test_more.py::test_other[fp32-bs1]: NO_BASELINE: has no baseline in base.json: run with --gate-update",
        "1 NO_BASELINE",
        "nothing was measured, so nothing was written",
    ]
    assert count_junit(gate.folder / "junit.xml") == (1, 1, 0)


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (["machine", "cpu_model"], "Another CPU", "CPU model: * here, Another CPU in base.json"),
        (["thread_plan", "intra"], 99, "intra-op threads: * here, 99 in base.json"),
        (["graph_sha256"], "00", "graph: * here, 00 in base.json"),
    ],
)
def test_baseline_of_another_machine_fails_before_anything_is_drawn(
    gate: ToldGate, path: list[str], value: object, sentence: str
) -> None:
    gate.write_baseline()
    gate.rewrite(lambda entry: replace(entry, facts=replace_fact(path, value, entry.facts)))
    result = gate("--gate")
    result.assert_outcomes(failed=1)
    assert gate.samples.orders == []
    result.stdout.fnmatch_lines([f"INCOMPATIBLE: {sentence}: run with --gate-update here, or compare with --against"])
    assert summary_of(result)[-2:] == ["1 INCOMPATIBLE", "nothing was measured, so nothing was written"]


def test_other_kernels_fail_before_anything_is_drawn(gate: ToldGate) -> None:
    gate.write_baseline()
    gate.samples.implementation = "gemm:jit"
    result = gate("--gate")
    result.assert_outcomes(failed=1)
    assert gate.samples.orders == []
    result.stdout.fnmatch_lines(["INCOMPATIBLE: kernels on one side alone: gemm:jit here, brgconv:avx512_core in *"])


class TestMissing:
    """The baseline has test_speed of test_user.py and test_other of test_more.py."""

    @pytest.fixture(autouse=True)
    def _write(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        pytester.makepyfile(test_more=OTHER)
        gate.write_baseline()

    @pytest.mark.parametrize("arguments", [(), ("--benchmark-only",), ("-k", "new"), ("-m", "fp32 and perf")])
    def test_renamed_test_fails_under_its_name(
        self, pytester: pytest.Pytester, gate: ToldGate, arguments: tuple[str, ...]
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

    def test_removed_and_moved_tests_fail(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
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
        ],
    )
    def test_what_is_left_out_is_not_missing(self, gate: ToldGate, arguments: tuple[str, ...]) -> None:
        result = gate("--gate", *arguments)
        result.assert_outcomes(passed=1, deselected=result.parseoutcomes().get("deselected", 0))
        assert result.ret == pytest.ExitCode.OK

    def test_update_keeps_what_is_left_out_and_takes_out_what_is_gone(
        self, pytester: pytest.Pytester, gate: ToldGate
    ) -> None:
        gate("--gate-update", "-k", "speed").assert_outcomes(passed=1, deselected=5)
        assert len(read_run(gate.baseline)) == 2
        gate("--gate-update", "test_user.py").assert_outcomes(passed=1, deselected=2)
        assert len(read_run(gate.baseline)) == 2
        (pytester.path / "test_more.py").unlink()
        result = gate("--gate-update")
        assert set(read_run(gate.baseline)) == {SPEED}
        assert summary_of(result) == ["1 written into base.json, and 1 that no longer exist taken out"]

    def test_file_that_cannot_be_collected_is_not_gone(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        pytester.makepyfile(test_more="import not_there\n")
        assert gate("--gate-update", "--continue-on-collection-errors").ret == pytest.ExitCode.TESTS_FAILED
        assert len(read_run(gate.baseline)) == 2

    def test_skipped_test_fails(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        pytester.makepyfile(test_more=OTHER.replace("@", "@pytest.mark.skip\n@", 1))
        result = gate("--gate", "-rf", "--junit-xml=junit.xml")
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(
            ["INCOMPATIBLE: was not measured, but base.json has it: * (Skipped: unconditional*"]
        )
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert summary_of(result)[-2] == "1 INCOMPATIBLE, 1 PASS"
        assert count_junit(gate.folder / "junit.xml") == (2, 1, 0)
        assert '<property name="gate" value="INCOMPATIBLE"' in (gate.folder / "junit.xml").read_text()

    def test_test_that_skips_itself_fails(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        pytester.makepyfile(test_more=OTHER.replace("    assert", "    pytest.skip('not today')\n    assert"))
        gate("--gate").assert_outcomes(passed=1, failed=1)

    def test_expected_failure_does_not_hide_a_verdict(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        pytester.makepyfile(test_more=OTHER.replace("@", "@pytest.mark.xfail\n@", 1))
        gate.samples.slower = 1.06
        result = gate("--gate", "--junit-xml=junit.xml")
        result.assert_outcomes(failed=2)
        assert count_junit(gate.folder / "junit.xml") == (2, 2, 0)

    def test_smaller_choice_of_batch_sizes_is_not_missing(self, gate: ToldGate) -> None:
        gate.write_baseline("--batch-size=1,4")
        gate("--gate", "--batch-size=4").assert_outcomes(passed=2)
        gate("--gate", "--batch-size=1").assert_outcomes(passed=2)


def test_only_what_passed_is_written(pytester: pytest.Pytester, gate: ToldGate) -> None:
    source = USER.replace("> 0", "> {least}")
    pytester.makepyfile(
        test_user=source.format(least=0) + source.format(least=1e9).replace("test_speed", "test_slow"),
        test_expected=USER.replace("> 0", "> 1e9").replace("@", "@pytest.mark.xfail\n@", 1),
        test_end="import pytest\n\n@pytest.fixture\ndef end():\n    yield\n    raise OSError\n"
        + USER.replace("timed_inference)", "end, timed_inference)"),
        test_leaves=USER + "    pytest.skip('later')\n",
    )
    result = gate("--gate-update")
    result.assert_outcomes(passed=2, failed=1, errors=1, xfailed=1, skipped=1)
    assert set(read_run(gate.baseline)) == {SPEED}
    assert summary_of(result) == ["1 written into base.json"]


def test_failing_assertion_keeps_the_old_entry(pytester: pytest.Pytester, gate: ToldGate) -> None:
    gate.write_baseline()
    before = read_run(gate.baseline)
    pytester.makepyfile(test_user=USER.replace("> 0", "> 1e9"))
    gate("--gate-update").assert_outcomes(failed=1)
    assert read_run(gate.baseline) == before


@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "pytest.exit('enough')"])
def test_interrupted_run_writes_nothing(pytester: pytest.Pytester, gate: ToldGate, end: str) -> None:
    pytester.makepyfile(test_zz=f"import pytest\n\n@pytest.mark.fp32\ndef test_end(precision):\n    {end}\n")
    for mode in ("--gate-update", "--gate"):
        if mode == "--gate":
            gate.write_baseline("test_user.py")
            before = gate.baseline.read_bytes()
        try:
            assert gate(mode).ret == pytest.ExitCode.INTERRUPTED
        except KeyboardInterrupt:
            assert end.startswith("raise")
        assert gate.baseline.exists() is (mode == "--gate")
    assert gate.baseline.read_bytes() == before
    assert not list((gate.folder / "out").glob("gate_*.json"))


@pytest.mark.parametrize("mode", ["--gate", "--gate-update"])
def test_nothing_measured_is_not_green(pytester: pytest.Pytester, gate: ToldGate, mode: str) -> None:
    gate.write_baseline()
    pytester.makepyfile(test_none="def test_none():\n    pass\n")
    result = gate(mode, "-m", "", tests=["test_none.py"])
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert summary_of(result) == ["nothing was measured, so nothing was written"]


def test_test_that_never_measures_fails(pytester: pytest.Pytester, gate: ToldGate) -> None:
    gate.write_baseline()
    pytester.makepyfile(
        test_user=USER.replace("timed_inference()", "timed_inference and pytest").replace(".images_per_s > 0", "")
    )
    for mode in ("--gate", "--gate-update"):
        result = gate(mode)
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["the gate has no measurement of this test"])
    assert set(read_run(gate.baseline)) == {SPEED}


def test_run_that_cannot_be_written_says_so(gate: ToldGate, monkeypatch: pytest.MonkeyPatch) -> None:
    from resnet_fixtures.errors import InputError

    def refuse(*arguments: object, **named: object) -> None:
        raise InputError("base.json cannot be written (No space left on device): pass a --gate-baseline that can.")

    monkeypatch.setattr("resnet_fixtures.gate.baseline.update_baseline", refuse)
    result = gate("--gate-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert summary_of(result) == [
        "base.json cannot be written (No space left on device): pass a --gate-baseline that can."
    ]


def test_without_the_gate_nothing_is_judged(gate: ToldGate) -> None:
    result = gate("--steps=3", "--warmup-steps=2")
    result.assert_outcomes(passed=1)
    assert gate.samples.orders == []
    assert "= gate (" not in result.stdout.str()
    assert not gate.baseline.exists()
