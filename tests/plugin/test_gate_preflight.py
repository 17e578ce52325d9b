"""What the gate refuses before the first image: exit status 4, one sentence, nothing measured or overwritten."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.precision import Precision
from tests.plugin.conftest import TESTS
from tests.plugin.test_preflight import refuses
from tests.plugin.told_samples import SPEED, USER, ToldGate, tell_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.plugin.conftest import SuiteRunner

MODES = ("--gate", "--gate-update")
IMPORTS = """
import sys

def pytest_sessionfinish():
    print("heavy:", sorted({"tensorflow", "scipy"} & set(sys.modules)))
"""


@pytest.fixture
def gate(
    monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, pytester: pytest.Pytester, fp32_file: Path
) -> ToldGate:
    pytester.makepyfile(test_user=USER)
    return tell_samples(monkeypatch, run_suite, pytester, fp32_file)


@pytest.mark.parametrize("mode", [*MODES, "--against=python"])
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-n", "2"), "{mode} times and -n runs tests side by side: leave -n out."),
        (
            ("--benchmark-disable",),
            "{mode} judges what is measured and --benchmark-disable measures nothing: leave it*",
        ),
        (("--benchmark-skip",), "{mode} judges what is measured and --benchmark-skip measures nothing: leave it out."),
        (
            ("--numa-cores-per-instance=1",),
            "{mode} judges one process at a time: leave --numa-cores-per-instance out.",
        ),
    ],
)
def test_gate_with_what_leaves_nothing_to_judge(
    pytester: pytest.Pytester, run_suite: SuiteRunner, mode: str, arguments: tuple[str, ...], sentence: str
) -> None:
    pytester.makepyfile("def test_nothing():\n    pass\n")
    result = run_suite(mode, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence.format(mode=mode.partition('=')[0])}"])
    assert result.stdout.lines == []


def write_newer(path: Path) -> None:
    path.write_text(json.dumps({"schema": "resnet_fixtures.gate", "version": 99, "entries": {}}))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: path.write_text('{"schema": "resnet_fixtures.gate", "version": 1, "entr'), "base.json *"),
        (lambda path: path.write_text('{"somebody": "else\'s"}'), "base.json is not the gate's: pass a file that *"),
        (lambda path: path.write_text(""), "base.json *"),
        (write_newer, "base.json has format 99 and this resnet-fixtures reads up to 1: install the version that *"),
        (lambda path: path.mkdir(), "*base.json*"),
    ],
)
def test_baseline_that_cannot_be_used_is_left_as_it_was(
    gate: ToldGate, mode: str, write: Callable[[Path], object], sentence: str
) -> None:
    write(gate.baseline)
    before = gate.baseline.read_bytes() if gate.baseline.is_file() else None
    refuses(gate(mode), sentence)
    assert gate.samples.orders == []
    assert (gate.baseline.read_bytes() if gate.baseline.is_file() else None) == before


def test_no_baseline_at_all(gate: ToldGate) -> None:
    refuses(gate("--gate"), "--gate has no baseline in base.json: run once with --gate-update.")


def test_folder_that_cannot_be_written_is_refused_before_anything_is_measured(
    pytester: pytest.Pytester, gate: ToldGate
) -> None:
    (pytester.path / "file").touch()
    result = gate("--gate-update", "--gate-baseline=file/base.json")
    refuses(result, "--gate-baseline */file: */file is no folder: pass a folder that you may write to.")
    assert gate.samples.orders == []


def test_default_baseline_follows_the_storage(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, gate: ToldGate
) -> None:
    given = (f"--in-graph={gate.graph}", "-m", "fp32", "--batch-size=1", "--output-dir=out")
    run_suite(*given, "--gate-update", "--benchmark-storage=kept").assert_outcomes(passed=1)
    assert (pytester.path / "kept" / "gate-baseline.json").exists()
    run_suite(*given, "--gate", "--benchmark-storage=kept").assert_outcomes(passed=1)


class TestTolerance:
    def mark(self, pytester: pytest.Pytester, mark: str) -> None:
        pytester.makepyfile(test_user=USER.replace("@pytest.mark.perf", f"@pytest.mark.perf\n@pytest.mark.{mark}"))

    @pytest.mark.parametrize(
        ("mark", "sentence"),
        [
            ("gate", "{test}: mark it gate(tolerance=…) with a text such as '2%'."),
            ("gate('2%')", "{test}: mark it gate(tolerance=…) with a text such as '2%'."),
            ("gate(tolerance=2)", "{test}: mark it gate(tolerance=…) with a text such as '2%'."),
            ("gate(tolerance='2%', alpha=0.1)", "{test}: mark it gate(tolerance=…) with a text such as '2%'."),
            (
                "gate(tolerance='two')",
                "{test}: gate(tolerance='two'): 'two' is no tolerance; pass one such as 2% or '0.1 points'.",
            ),
            (
                "gate(tolerance='1 point')",
                "{test}: gate(tolerance='1 point'): images_per_s is judged in per cent, not by 1 point; pass one *",
            ),
            ("gate(tolerance='0%')", "{test}: gate(tolerance='0%'): a tolerance of 0 % cannot be: *"),
        ],
    )
    @pytest.mark.parametrize("mode", MODES)
    def test_bad_marker(self, pytester: pytest.Pytester, gate: ToldGate, mode: str, mark: str, sentence: str) -> None:
        gate.baseline.write_text('{"schema": "resnet_fixtures.gate", "version": 1, "entries": {}}')
        self.mark(pytester, mark)
        refuses(gate(mode), sentence.format(test=SPEED.replace("[", "[[]")))
        assert gate.samples.orders == []

    def test_marker_allows_more(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        gate.write_baseline()
        gate.samples.slower = 1.03
        gate("--gate").assert_outcomes(failed=1)
        self.mark(pytester, "gate(tolerance='4%')")
        result = gate("--gate")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([f"{SPEED.replace('[', '[[]')}: PASS: * (allowed 4 %; *"])

    def test_setting_allows_more_and_the_marker_wins(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        pytester.makeini("[pytest]\ngate_tolerance =\n    images_per_s = 4%\n    latency_s = 4%\n")
        gate.write_baseline()
        gate.samples.slower = 1.03
        gate("--gate").assert_outcomes(passed=1)
        self.mark(pytester, "gate(tolerance='2%')")
        gate("--gate").assert_outcomes(failed=1)

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            ("images_per_s = a bit", "*a bit' is no tolerance; pass one such as 2% or '0.1 points'."),
            ("accuracy = 2%", "accuracy is judged in points, not by 2 %; pass one such as '0.1 points'."),
            ("speed = 2%", "'speed = 2%' names no metric; *"),
            ("2%", "'2%' names no metric; *"),
            ("latency_s = 2%\n    latency_s = 4%", "latency_s has two tolerances, 2 % and 4 %; pass one."),
        ],
    )
    def test_bad_setting(self, pytester: pytest.Pytester, gate: ToldGate, line: str, sentence: str) -> None:
        pytester.makeini(f"[pytest]\ngate_tolerance =\n    {line}\n")
        refuses(gate("--gate-update"), f"gate_tolerance of */tox.ini: *{sentence}")
        assert gate.samples.orders == []


class TestPlaces:
    """A renamed test fails wherever pytest was pointed at it; its neighbours of like names are not taken for it."""

    @pytest.fixture(autouse=True)
    def _write(self, pytester: pytest.Pytester, gate: ToldGate) -> None:
        pytester.makepyfile(**{"below/test_place": USER + USER.replace("test_speed", "test_speed_of_all")})
        gate.write_baseline("below")
        pytester.makepyfile(**{"below/test_place": USER})

    @pytest.mark.parametrize(
        "place", ["below", "below/test_place.py", "./below/", "below/../below", "{root}/below", "."]
    )
    def test_is_missed(self, pytester: pytest.Pytester, gate: ToldGate, place: str) -> None:
        (pytester.path / "test_user.py").unlink()
        result = gate("--gate", place.format(root=pytester.path))
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["below/test_place.py::test_speed_of_all*: INCOMPATIBLE: was not measured, *"])

    def test_is_missed_from_its_own_folder(
        self, pytester: pytest.Pytester, gate: ToldGate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pytester.makeini("[pytest]")
        monkeypatch.chdir(pytester.path / "below")
        gate("--gate", "--gate-baseline=../base.json").assert_outcomes(passed=1, failed=1)
        gate("--gate", "--gate-baseline=../base.json", "../below").assert_outcomes(passed=1, failed=1)

    @pytest.mark.parametrize("name", ["test_speed", "test_speed[fp32-bs1]"])
    def test_name_is_not_taken_for_a_longer_one(self, gate: ToldGate, name: str) -> None:
        result = gate("--gate", f"below/test_place.py::{name}")
        result.assert_outcomes(passed=1)
        assert result.ret == pytest.ExitCode.OK


class TestAgainst:
    def test_interpreter_that_is_not_there(self, gate: ToldGate) -> None:
        result = gate("--against=nowhere/bin/python")
        refuses(result, "--against nowhere/bin/python is not there: pass the Python of an environment that has *")
        assert gate.samples.pairs == []

    def test_graph_that_is_not_there(self, gate: ToldGate) -> None:
        refuses(
            gate("--against-graph=none.pb"),
            "--against-graph: none.pb cannot be read (No such file or directory): pass a frozen *",
        )
        assert gate.samples.pairs == []

    def test_graph_of_another_precision(self, gate: ToldGate, suite_graphs: Mapping[Precision, Path]) -> None:
        graph = suite_graphs[Precision.INT8]
        refuses(
            gate(f"--against-graph={graph}"),
            f"--against-graph {graph} computes in int8, and fp32 is selected: select int8 *",
        )
        assert gate.samples.pairs == []

    def test_graph_for_several_precisions(self, gate: ToldGate) -> None:
        result = gate(f"--against-graph={gate.graph}", "-m", "fp32 or bf16", f"--in-graph=fp32={gate.graph}")
        refuses(result, f"--against-graph {gate.graph} has one precision, and fp32, bf16 are selected: select one *")


def test_collecting_loads_nothing_heavy_and_needs_no_baseline(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(IMPORTS)
    pytester.makepyfile(test_user=USER)
    command = (sys.executable, "-m", "pytest", "-p", "resnet_fixtures.plugin", "-p", "no:cacheprovider")
    result = pytester.run(*command, "--collect-only", "-q", "--gate", "--gate-baseline=none.json", ".")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines([SPEED.replace("[", "[[]"), "heavy: []*"])


def test_whole_suite_can_be_collected_with_the_gate(run_suite: SuiteRunner) -> None:
    result = run_suite("--collect-only", "-q", "--gate", "--gate-baseline=none.json", tests=[TESTS / "perf"])
    assert result.ret == pytest.ExitCode.OK
