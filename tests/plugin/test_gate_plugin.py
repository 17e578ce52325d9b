"""The gate's hooks: one verdict in JUnit's file, exit status and summary; failed tests; files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.run_file import read_run, read_unmeasured
from resnet_fixtures.gate.verdict import Verdict
from tests.plugin.gate.made_entries import replace_fact
from tests.plugin.told_samples import OTHER, SPEED, USER, ToldGate, count_junit, summary_of, tell_samples

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import SuiteRunner


@pytest.fixture
def gate(
    monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, pytester: pytest.Pytester, fp32_file: Path
) -> ToldGate:
    pytester.makepyfile(test_user=USER)
    return tell_samples(monkeypatch, run_suite, pytester, fp32_file)


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
        f"nothing was measured, the verdicts are in out/{gate.read_output().name}",
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
    assert summary_of(result)[-2] == "1 INCOMPATIBLE"
    (judgement,) = read_unmeasured(gate.read_output())
    assert (judgement.test, judgement.verdict) == (SPEED, Verdict.INCOMPATIBLE)


def test_other_kernels_fail_before_anything_is_drawn(gate: ToldGate) -> None:
    gate.write_baseline()
    gate.samples.implementation = "gemm:jit"
    result = gate("--gate")
    result.assert_outcomes(failed=1)
    assert gate.samples.orders == []
    result.stdout.fnmatch_lines(["INCOMPATIBLE: kernels on one side alone: gemm:jit here, brgconv:avx512_core in *"])


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
