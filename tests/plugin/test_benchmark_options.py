"""pytest-benchmark's options on the suite's own tests."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from tests.plugin.conftest import QUICK, TESTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import SuiteRunner

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
