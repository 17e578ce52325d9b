"""pytest-benchmark's options on the suite's own tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import QUICK, TESTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from tests.plugin.conftest import SuiteRunner

    Comparison: TypeAlias = Callable[..., tuple[int, str]]

PERF = TESTS / "perf"
NAME = "test_online_inference[fp32-bs1]"


@pytest.fixture
def time_online(run_suite: SuiteRunner, fp32_file: Path) -> SuiteRunner:
    """Run the fp32 online test, and pass these options on."""

    def run(*arguments: object, tests: object = ()) -> pytest.RunResult:
        selection = (f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=1", "--benchmark-only", *QUICK)
        return run_suite(*arguments, *selection, tests=[PERF])  # a bare --benchmark-compare would take the path

    return run


def scale_saved(folder: Path, factor: float) -> None:
    """Make what was saved look as if each round had taken `factor` times as long."""
    (file,) = folder.rglob("*.json")
    saved = json.loads(file.read_text())
    for result in saved["benchmarks"]:
        stats = result["stats"]
        stats.update({name: stats[name] * factor for name in ("min", "max", "mean", "median")})
    file.write_text(json.dumps(saved))


def test_autosave_and_compare(pytester: pytest.Pytester, time_online: SuiteRunner) -> None:
    time_online("--benchmark-autosave").assert_outcomes(passed=1, deselected=5)
    scale_saved(pytester.path / ".benchmarks", 1.0)
    result = time_online("--benchmark-compare")
    result.assert_outcomes(passed=1, deselected=5)
    assert f"{NAME} (NOW)" in result.stdout.str()
    assert f"{NAME} (0001_" in result.stdout.str()


@pytest.fixture
def compare_apart(fp32_file: Path, tmp_path: Path, cache_home: Path, warm_children: None) -> Comparison:
    """Run the fp32 online test in a process of its own, with this project's own settings, and compare."""
    settings = ("-c", str(TESTS.parent / "pytest.ini"), f"--rootdir={TESTS.parent}", "-p", "no:cacheprovider")
    selection = (f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=1", "--benchmark-only", *QUICK, str(PERF))

    def run(*options: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pytest", *settings, "--benchmark-compare", *selection, *options]
        environ = {**os.environ, "XDG_CACHE_HOME": str(cache_home)}
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


def test_comparisons_that_pytest_benchmark_only_warns_of(compare_apart: Comparison, tmp_path: Path) -> None:
    """A first night, and a night after the machine's kernel has changed."""
    status, output = compare_apart("--benchmark-autosave")
    assert (status, "Can't compare. No benchmark files in" in output) == (0, True), output
    (file,) = (tmp_path / ".benchmarks").rglob("*.json")
    file.write_text(file.read_text().replace('"release": "', '"release": "another-'))
    status, output = compare_apart()
    assert (status, "Benchmark machine_info is different" in output) == (0, True), output
    assert f"{NAME} (0001_" in output


def test_comparison_that_could_fail_needs_a_stored_run(compare_apart: Comparison, tmp_path: Path) -> None:
    status, output = compare_apart("--benchmark-compare-fail=median:10%")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert (
        f"ERROR: --benchmark-compare-fail has no stored run to compare with in {tmp_path}/.benchmarks: save" in output
    )
    assert "Traceback" not in output
    assert " passed" not in output


def test_comparison_that_could_fail_begins_with_the_second_run(compare_apart: Comparison, tmp_path: Path) -> None:
    could_fail = ("--benchmark-compare-fail=median:90000%", "--benchmark-autosave")
    status, output = compare_apart(*could_fail)
    assert (status, "yet: --benchmark-compare-fail begins with the next run" in output) == (0, True), output
    assert list((tmp_path / ".benchmarks").rglob("0001_*.json"))
    status, output = compare_apart(*could_fail, "--batch-size=1,2")
    assert status == 0, output
    assert "nothing stored to compare with for tests/perf/test_inference.py::test_batch_inference[fp32-bs2]" in output
    assert f"{NAME} (0001_" in output


def test_comparison_that_could_fail_needs_one_of_its_tests(compare_apart: Comparison, tmp_path: Path) -> None:
    compare_apart("--benchmark-autosave")
    (file,) = (tmp_path / ".benchmarks").rglob("*.json")
    file.write_text(file.read_text().replace("test_online_inference", "test_another"))
    status, output = compare_apart("--benchmark-compare-fail=median:10%")
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --benchmark-compare-fail has nothing to compare: " in output
    assert " passed" not in output


@pytest.mark.parametrize(("factor", "status"), [(1e-3, "worse"), (1e3, "better")])
def test_compare_fails_when_a_step_gets_slower(
    pytester: pytest.Pytester, time_online: SuiteRunner, factor: float, status: str
) -> None:
    time_online("--benchmark-autosave")
    scale_saved(pytester.path / ".benchmarks", factor)
    result = time_online("--benchmark-compare", "--benchmark-compare-fail=median:10%")
    assert (result.ret != pytest.ExitCode.OK) == (status == "worse")
    if status == "worse":
        result.stderr.fnmatch_lines(["*Performance has regressed*"])
        assert f"{NAME} (0001_" in result.stderr.str() + result.stdout.str()


def test_groups_by_a_parameter(run_suite: SuiteRunner, fp32_file: Path) -> None:
    arguments = ("-m", "fp32", "--batch-size=1,8", "--benchmark-group-by=param:precision", *QUICK)
    result = run_suite(f"--in-graph=fp32={fp32_file}", *arguments, tests=[PERF])
    result.assert_outcomes(passed=2, deselected=4)
    result.stdout.fnmatch_lines(["*benchmark 'precision=fp32': 2 tests*"])


@pytest.mark.skipif(find_spec("pygal") is None, reason="needs pygal: the extra `histogram`")
@pytest.mark.usefixtures("warm_children")
def test_histogram(
    pytester: pytest.Pytester, fp32_file: Path, cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own: pygal changes how Python finds distributions, and pytester undoes a half of that."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    selection = (f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=1", *QUICK)
    plugin = ("-p", "resnet_fixtures.plugin", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess(*plugin, *selection, "--benchmark-histogram=chart", str(PERF))
    result.assert_outcomes(passed=1, deselected=5)
    (chart,) = pytester.path.glob("chart*.svg")
    assert NAME in chart.read_text()


def test_only_benchmarks_run(run_suite: SuiteRunner, fp32_file: Path) -> None:
    result = run_suite(
        f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=1", "--benchmark-only", *QUICK,
        tests=[PERF, TESTS / "accuracy"],
    )  # fmt: skip
    outcomes = result.parseoutcomes()
    assert outcomes["passed"] == 1
    assert outcomes["skipped"] == 2
