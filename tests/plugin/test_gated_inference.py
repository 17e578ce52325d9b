"""Inference under the gate: what a process is ordered, what is stored of it, and one real run."""

from __future__ import annotations

import json
import statistics
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.gate.fresh_process import THIS_INTERPRETER
from resnet_fixtures.gate.run_file import read_run
from resnet_fixtures.gate.sample_order import SampleBudget
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample
from resnet_fixtures.gated_inference import join_samples
from tests.plugin.conftest import SUITE_SIDE, TESTS
from tests.plugin.told_samples import SPEED, USER, WARMUP_S, ToldGate, tell_samples

if TYPE_CHECKING:
    from tests.plugin.conftest import SplitWriter, SuiteRunner

PERF = TESTS / "perf"
ONLINE = "tests/perf/test_inference.py::test_online_inference[fp32-bs1]"
BATCH = "tests/perf/test_inference.py::test_batch_inference[fp32-bs8]"
SIZES = "--batch-size=1,8"


@pytest.fixture
def gate(
    monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, pytester: pytest.Pytester, fp32_file: Path
) -> ToldGate:
    return tell_samples(monkeypatch, run_suite, pytester, fp32_file)


def read_benchmarks(path: Path) -> dict[str, Any]:
    return {result["name"]: result for result in json.loads(path.read_text())["benchmarks"]}


def test_suite_s_own_tests_are_judged_by_latency_and_by_throughput(gate: ToldGate) -> None:
    gate.write_baseline(SIZES, tests=[PERF])
    entries = read_run(gate.baseline)
    assert {test: entry.metric for test, entry in entries.items()} == {
        ONLINE: Metric.LATENCY_S,
        BATCH: Metric.IMAGES_PER_S,
    }
    assert {entry.batch_size for entry in entries.values()} == {1, 8}
    assert set(entries[BATCH].facts) >= {"precision", "graph_sha256", "thread_plan", "isa", "kernels", "reference"}
    result = gate("--gate", SIZES, tests=[PERF])
    result.assert_outcomes(passed=2, deselected=4)
    result.stdout.fnmatch_lines_random(
        [
            f"{ONLINE.replace('[', '[[]')}: PASS: * ms is * (allowed 1 %; *; 5 and 80 processes*",
            f"{BATCH.replace('[', '[[]')}: PASS: * img/s is * (allowed 1 %; *; 5 and 80 processes*",
            "2 PASS",
        ]
    )


def test_processes_are_ordered_what_the_options_say(gate: ToldGate) -> None:
    gate("--gate-update", "--steps=7", "--warmup-steps=4", "--batch-size=8", "--num-cores=1", tests=[PERF])
    order = gate.samples.orders[0]
    assert gate.samples.orders == [order] * 80
    assert order.reference_file == gate.graph  # told_samples has it for the embedded graph
    assert (order.budget.steps, order.budget.warmup_steps) == (7, 4)
    child = order.child
    assert (child.graph_file, str(child.precision), child.batch_size) == (gate.graph, "fp32", 8)
    assert (len(child.plan.cpus), child.images_file) == (1, None)


def test_processes_run_more_steps_where_nobody_counts_them(gate: ToldGate) -> None:
    gate("--gate-update", "--warmup-steps=10", "--batch-size=8", tests=[PERF])
    assert gate.samples.orders[0].budget == SampleBudget()
    gate("--gate-update", "--steps=50", "--batch-size=8", tests=[PERF])
    assert gate.samples.orders[-1].budget.steps == 50  # the number of ungated runs, but asked for


def test_real_images_are_handed_on(
    gate: ToldGate, write_validation: SplitWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def draw(order: Any, environ: object) -> ProcessSample:
        seen.append(np.load(order.child.images_file).shape)
        return gate.samples.take(1.0)

    monkeypatch.setattr("resnet_fixtures.gate.fresh_process.draw_sample", draw)
    location = write_validation([1, 2, 3, 4, 5])
    gate("--gate-update", "--batch-size=4", f"--data-location={location}", tests=[PERF])
    assert set(seen) == {(4, SUITE_SIDE, SUITE_SIDE, 3)}
    (entry,) = read_run(gate.baseline).values()
    assert entry.facts["data"] == "imagenet"


def test_stored_times_are_the_processes_own(pytester: pytest.Pytester, gate: ToldGate) -> None:
    arguments = ("--batch-size=8", "--benchmark-save-data", "--benchmark-storage=kept")
    gate("--gate-update", *arguments, "--benchmark-json=base-bench.json", "--benchmark-save=first", tests=[PERF])
    result = gate(
        "--gate", *arguments, "--benchmark-json=out.json", "--benchmark-compare", "--junit-xml=junit.xml", tests=[PERF]
    )
    result.assert_outcomes(passed=1, deselected=5)
    result.stdout.fnmatch_lines(["*test_batch_inference[[]fp32-bs8] (0001_first)*"])
    (entry,) = read_run(gate.read_output()).values()
    stored = read_benchmarks(pytester.path / "out.json")["test_batch_inference[fp32-bs8]"]
    steps_s = [step_s for sample in entry.samples for step_s in sample.steps_s]
    assert stored["stats"]["data"] == pytest.approx(steps_s)
    info = stored["extra_info"]
    assert info["gate_processes"] == len(entry.samples) == 5
    assert info["gate_process_medians_s"] == pytest.approx([statistics.median(one.steps_s) for one in entry.samples])
    assert info["gate"]["verdict"] == "PASS"
    assert info["latency_median_s"] == pytest.approx(statistics.median(steps_s))
    assert info["images_per_s"] == pytest.approx(8 / info["latency_median_s"])
    assert "images_per_s_interval" not in info  # the steps of a process are not independent
    assert info["warmup_s"] == [*WARMUP_S] * 5
    (base,) = read_benchmarks(pytester.path / "base-bench.json").values()
    assert base["extra_info"]["gate_processes"] == 80
    assert "gate" not in base["extra_info"]
    (log,) = (path for path in (pytester.path / "out").glob("*.log") if str(path).endswith(Path(info["log"]).name))
    assert log.read_text().splitlines()[-1] == f"Log file location: {info['log']}"


def test_storage_of_pytest_benchmark_is_a_baseline(pytester: pytest.Pytester, gate: ToldGate) -> None:
    for name in ("first", "second", "third"):
        gate(
            "--gate-update", "--batch-size=8", "--benchmark-save-data", "--benchmark-storage=kept",
            f"--benchmark-save={name}", tests=[PERF],
        )  # fmt: skip
    gate.samples.slower = 1.06
    result = gate("--gate", "--batch-size=8", "--gate-baseline=kept", tests=[PERF])
    result.assert_outcomes(failed=1, deselected=5)
    result.stdout.fnmatch_lines(["REGRESSED: *"])


def test_user_s_own_test_is_judged(pytester: pytest.Pytester, gate: ToldGate) -> None:
    pytester.makepyfile(test_user=USER)
    gate.write_baseline()
    gate.samples.slower = 1.06
    result = gate("--gate")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"{SPEED.replace('[', '[[]')}: REGRESSED: *"])


class TestAgainst:
    @pytest.mark.parametrize(
        ("slower", "verdict", "pairs"), [(1.0, "PASS", 5), (1.06, "REGRESSED", 10), (0.9, "IMPROVED", 5)]
    )
    def test_pairs_are_judged(self, gate: ToldGate, slower: float, verdict: str, pairs: int) -> None:
        gate.samples.slower = slower
        result = gate(f"--against-graph={gate.graph}", "--batch-size=8", tests=[PERF])
        result.assert_outcomes(**{"failed" if verdict == "REGRESSED" else "passed": 1}, deselected=5)
        result.stdout.fnmatch_lines(
            [
                f"against {gate.graph}",
                f"{BATCH.replace('[', '[[]')}: {verdict}: * img/s (this) is * (against) (*; {pairs} pairs of *",
            ]
        )
        assert not gate.baseline.exists()
        assert len(read_run(gate.read_output())[BATCH].samples) == pairs

    def test_sides_differ_in_the_graph_alone_and_alternate(
        self, pytester: pytest.Pytester, gate: ToldGate, wide_fp32_file: Path
    ) -> None:
        gate(f"--against-graph={wide_fp32_file}", "--batch-size=8", tests=[PERF])
        pairs = gate.samples.pairs
        assert [is_this_first for *_, is_this_first in pairs] == [False, True, False, True, False]
        for other, this, _ in pairs:
            assert (other.order.child.graph_file, this.order.child.graph_file) == (wide_fp32_file, gate.graph)
            assert other.interpreter == this.interpreter == THIS_INTERPRETER
            assert other.order.child.precision is this.order.child.precision

    def test_other_interpreter_is_asked_and_named(self, gate: ToldGate, monkeypatch: pytest.MonkeyPatch) -> None:
        import sys

        versions = {"python": "3.12.1", "numpy": "2.2.0", "tensorflow": "2.99.0"}
        monkeypatch.setattr("resnet_fixtures.gate.other_python.check_interpreter", lambda python: versions)
        result = gate(f"--against={sys.executable}", "--batch-size=8", tests=[PERF])
        result.assert_outcomes(passed=1, deselected=5)
        result.stdout.fnmatch_lines([f"against {sys.executable} (python 3.12.1, numpy 2.2.0, tensorflow 2.99.0)"])
        other, this, _ = gate.samples.pairs[0]
        assert other.interpreter.python == sys.executable
        assert other.interpreter.packages is not None
        assert this.interpreter == THIS_INTERPRETER

    def test_process_that_dies_is_not_green(self, gate: ToldGate, monkeypatch: pytest.MonkeyPatch) -> None:
        from resnet_fixtures.errors import RunError

        def die(*arguments: object, **named: object) -> None:
            raise RunError("The process of python was killed by SIGKILL.")

        monkeypatch.setattr("resnet_fixtures.gate.interleaved.draw_pair", die)
        result = gate(f"--against-graph={gate.graph}", "--batch-size=8", tests=[PERF])
        result.assert_outcomes(failed=1, deselected=5)
        result.stdout.fnmatch_lines(["The process of python was killed by SIGKILL."])
        assert "Traceback" not in result.stdout.str()

    def test_other_tests_are_skipped(self, gate: ToldGate, write_validation: SplitWriter) -> None:
        location = write_validation([1, 2, 3, 4, 5])
        result = gate(
            f"--against-graph={gate.graph}", "--batch-size=4", f"--data-location={location}", "-rs",
            tests=[PERF, TESTS / "accuracy" / "test_imagenet.py"],
        )  # fmt: skip
        outcomes = result.parseoutcomes()
        assert (outcomes["passed"], outcomes["skipped"]) == (1, 1)
        result.stdout.fnmatch_lines(["SKIPPED * --against compares the times of inference alone"])


def test_joined_samples_keep_their_order() -> None:
    samples = (ProcessSample((1.0, 2.0), (9.0,)), ProcessSample((3.0,), (8.0, 7.0)))
    measurement = join_samples(Entry("t", Metric.IMAGES_PER_S, 4, {}, samples))
    assert (measurement.batch_size, measurement.steps_s, measurement.warmup_s) == (4, (1.0, 2.0, 3.0), (9.0, 8.0, 7.0))


def test_real_processes_write_a_baseline_and_are_judged_by_it(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One fresh process a side, which decide nothing."""
    monkeypatch.setattr("resnet_fixtures.gating.LOOKS", (1,))
    run = partial(
        run_suite, f"--in-graph={fp32_file}", "-m", "fp32", "--batch-size=1", "--steps=5", "--warmup-steps=2",
        "--gate-max-time=1", "--gate-baseline=base.json", "--output-dir=out", tests=[PERF],
    )  # fmt: skip
    run("--gate-update").assert_outcomes(passed=1, deselected=5)
    before = (pytester.path / "base.json").read_bytes()
    result = run("--gate", "--gate-inconclusive=pass")
    result.assert_outcomes(passed=1, deselected=5)
    result.stdout.fnmatch_lines([f"{ONLINE.replace('[', '[[]')}: INCONCLUSIVE: *", "1 INCONCLUSIVE"])
    assert (pytester.path / "base.json").read_bytes() == before
    (file,) = (pytester.path / "out").glob("gate_*.json")
    for path in (pytester.path / "base.json", file):
        (entry,) = read_run(path).values()
        (sample,) = entry.samples
        assert (len(sample.warmup_s), len(sample.steps_s), len(sample.reference_s)) == (2, 5, 5)
