from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.precision import Precision
from resnet_fixtures.timing.benchmark_adaptor import measure, record, result_fields
from resnet_fixtures.timing.measurement import Measurement, StepBudget, WarmUp, warm_up

if TYPE_CHECKING:
    from collections.abc import Callable


class ScriptedBenchmark:
    """Stand in for pytest-benchmark: every round takes 0.5 s by its clock."""

    def __init__(self, *, enabled: bool = True) -> None:
        self.enabled = enabled
        self.group: str | None = None
        self.extra_info: dict[str, Any] = {}
        self.stats: Any = None

    def pedantic(
        self, target: Callable[[], object], *, setup: Callable[[], None] | None, rounds: int, iterations: int
    ) -> object:
        data: list[float] = []
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=data))
        for _ in range(rounds * iterations):
            if setup:
                setup()
            target()
            data.append(0.5)
        return None


class Step:
    """A step that counts its calls and takes one second by its own clock."""

    calls = 0

    def __call__(self) -> None:
        self.calls += 1

    def clock(self) -> int:
        return self.calls * 1_000_000_000


def test_rounds_are_read_back_and_told_one_by_one_after_the_warm_ups() -> None:
    step, heard = Step(), list[tuple[int, float]]()
    budget = StepBudget(warmup_steps=4, steps=3, max_time_s=100)
    measurement = measure(
        ScriptedBenchmark(), step, 32, budget, WarmUp((1.0,) * 4, None), lambda n, s: heard.append((n, s))
    )
    assert measurement == Measurement(batch_size=32, warmup_s=(1.0,) * 4, steps_s=(0.5,) * 3, cut=None)
    assert heard == [(5, 0.5), (6, 0.5), (7, 0.5)]
    assert step.calls == 3


def test_budget_cuts_and_says_so() -> None:
    step, budget = Step(), StepBudget(max_time_s=20)
    measurement = measure(ScriptedBenchmark(), step, 1, budget, warm_up(step, budget, step.clock))
    assert (len(measurement.warmup_s), len(measurement.steps_s)) == (4, 16)
    assert measurement.cut == (
        "--max-time 20 s cut the warm-ups from 10 to 4 and the steps from 50 to 16: raise it to run them all."
    )


@pytest.mark.parametrize(("max_time_s", "steps"), [(26, 50), (20.4, 40), (3.4, 10)])
def test_steps_that_grow_longer_end_with_the_time_but_never_before_the_tenth(max_time_s: float, steps: int) -> None:
    budget, heard = StepBudget(warmup_steps=4, max_time_s=max_time_s), list[int]()
    warmup = WarmUp((0.1,) * 4, None)  # the steps take 0.5 s
    measurement = measure(ScriptedBenchmark(), Step(), 1, budget, warmup, lambda number, _: heard.append(number))
    assert len(measurement.steps_s) == steps
    assert heard == list(range(5, 5 + steps))
    assert (measurement.cut is None) == (steps == 50)


def test_disabled_benchmark_is_refused_before_the_first_step() -> None:
    step = Step()
    with pytest.raises(RuntimeError, match="pytest-benchmark is disabled, so nothing would be measured"):
        measure(ScriptedBenchmark(enabled=False), step, 1, StepBudget(), WarmUp((1.0,), None))
    assert step.calls == 0


def test_every_field_is_recorded_where_the_sample_carries_it() -> None:
    benchmark = ScriptedBenchmark()
    measurement = Measurement(batch_size=2, warmup_s=(3.0, 1.0), steps_s=(0.25,) * 150 + (0.5,) * 150, cut="Cut.")
    record(benchmark, measurement, {"precision": Precision.INT8, "data": "dummy"})
    assert json.loads(json.dumps(benchmark.extra_info)) == {
        "precision": "int8",
        "data": "dummy",
        "batch_size": 2,
        "images_per_s": 2 / 0.375,
        "images_per_s_interval": [4.0, 8.0],
        "latency_median_s": 0.375,
        "latency_median_interval_s": [0.25, 0.5],
        "latency_p90_s": 0.5,
        "latency_p90_upper_s": 0.5,
        "latency_p99_s": 0.5,
        "latency_p99_upper_s": 0.5,
        "warmup_steps": 2,
        "warmup_s": [3.0, 1.0],
        "steps": 300,
        "cut": "Cut.",
    }


def test_fields_that_a_small_sample_cannot_carry_are_absent() -> None:
    benchmark = ScriptedBenchmark()
    record(benchmark, Measurement(1, (0.5,), (0.5,) * 5), {"mode": "online"})
    assert sorted(benchmark.extra_info) == [
        *("batch_size", "images_per_s", "latency_median_s", "mode", "steps", "warmup_s", "warmup_steps")
    ]


ACCEPTANCE = """
    from resnet_fixtures.timing.benchmark_adaptor import measure, record
    from resnet_fixtures.timing.measurement import StepBudget, warm_up

    def test_step(benchmark):
        benchmark.group = "int8 batch 4"
        calls = []
        budget = StepBudget(warmup_steps=3, steps=30)
        step = lambda: calls.append(sum(range(1000)))
        measurement = measure(benchmark, step, 4, budget, warm_up(step, budget))
        assert (len(measurement.warmup_s), len(measurement.steps_s), len(calls)) == (3, 30, 33)
        record(benchmark, measurement, {"mode": "batch"})
"""
GROWING = """
    import time
    from resnet_fixtures.timing.benchmark_adaptor import measure, record
    from resnet_fixtures.timing.measurement import StepBudget, warm_up

    def test_step(benchmark):
        times_s = iter([0.0] * 3 + [0.03] * 30)
        budget = StepBudget(warmup_steps=3, steps=30, max_time_s=0.2)
        step = lambda: time.sleep(next(times_s))
        record(benchmark, measure(benchmark, step, 4, budget, warm_up(step, budget)), {})
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Write a suite that measures through the adaptor, and hide an outer xdist from it."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    pytester.makepyfile(ACCEPTANCE)
    return pytester


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run the suite without our own plugin, which may be installed."""
    return suite.runpytest_inprocess("-p", "no:resnet_fixtures.plugin", "-p", "no:cacheprovider", *options)


def test_real_benchmark_fixture_keeps_rounds_and_fields(suite: pytest.Pytester) -> None:
    run(suite, "--benchmark-json=out.json").assert_outcomes(passed=1)
    [result] = json.loads((suite.path / "out.json").read_text())["benchmarks"]
    assert result["group"] == "int8 batch 4"
    assert result["stats"]["rounds"] == 30
    info = result["extra_info"]
    assert (info["mode"], info["steps"], info["warmup_steps"], len(info["warmup_s"])) == ("batch", 30, 3, 3)
    assert info["latency_median_s"] == pytest.approx(result["stats"]["median"])
    assert info["latency_p90_upper_s"] == result["stats"]["max"]
    assert info["images_per_s"] == pytest.approx(4 / result["stats"]["median"])
    assert "latency_p99_s" not in info


def test_real_benchmark_fixture_keeps_rounds_that_ended_with_the_time(suite: pytest.Pytester) -> None:
    suite.makepyfile(GROWING)
    run(suite, "--benchmark-json=out.json").assert_outcomes(passed=1)
    [result] = json.loads((suite.path / "out.json").read_text())["benchmarks"]
    assert (result["stats"]["rounds"], result["extra_info"]["steps"]) == (10, 10)
    assert result["extra_info"]["cut"].startswith("--max-time 0.2 s cut the steps from 30 to 10")


def test_disabled_real_benchmark_never_passes(suite: pytest.Pytester) -> None:
    outcome = run(suite, "--benchmark-disable")
    assert outcome.parseoutcomes().get("passed") is None
    outcome.stdout.fnmatch_lines(["*RunError: pytest-benchmark is disabled, so nothing would be measured*"])


def test_steps_of_several_processes_have_no_interval() -> None:
    alone = Measurement(8, (0.2,), (0.1, 0.11) * 200)
    pooled = replace(alone, is_pooled=True)
    bounds = {"images_per_s_interval", "latency_median_interval_s", "latency_p90_upper_s", "latency_p99_upper_s"}
    with_values = {name for name, value in result_fields(alone).items() if value is not None}
    assert with_values - {name for name, value in result_fields(pooled).items() if value is not None} == bounds
