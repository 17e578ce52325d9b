"""tests/perf on tiny graphs: what is measured, logged, printed and stored."""

from __future__ import annotations

import json
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.hardware.isa import read_isa
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.common_window import InstanceResult
from resnet_fixtures.inference.instances import Instances
from resnet_fixtures.performance import describe_instances
from tests.plugin.conftest import QUICK, TESTS

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.timing.measurement import StepBudget, WarmUp
    from tests.plugin.conftest import SplitWriter, SuiteRunner

PERF = TESTS / "perf"
NEEDS_TWO_CORES = pytest.mark.skipif(len(read_topology().physical) < 2, reason="needs 2 cores")
RESULT_FIELDS = {
    "precision", "batch_size", "mode", "images_per_s", "latency_median_s", "warmup_steps", "steps", "data",
    "graph", "graph_sha256", "thread_plan", "isa", "versions",
}  # fmt: skip


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    return {result["name"]: result for result in json.loads(path.read_text())["benchmarks"]}


def test_every_result_field_is_stored(pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path) -> None:
    result = run_suite(
        f"--in-graph={fp32_file}", "-m", "fp32", "--batch-size", "1,8", "--warmup-steps", "4", "--steps", "30",
        "--benchmark-json=out.json", "--junit-xml=junit.xml", "--output-dir=logs", "--benchmark-only", tests=[PERF],
    )  # fmt: skip
    result.assert_outcomes(passed=2, deselected=4)
    results = read_results(pytester.path / "out.json")
    assert set(results) == {"test_online_inference[fp32-bs1]", "test_batch_inference[fp32-bs8]"}
    online = results["test_online_inference[fp32-bs1]"]
    batch = results["test_batch_inference[fp32-bs8]"]
    assert online["group"] == "fp32-bs1"
    assert batch["params"] == {"precision": "fp32", "batch_size": 8}
    info = batch["extra_info"]
    assert set(info) >= RESULT_FIELDS | {"latency_p90_s", "latency_p90_upper_s", "kernels", "machine", "log"}
    assert not {"latency_p99_s", "cut", "pipeline_images_per_s", "instances"} & set(info)
    assert (info["precision"], info["batch_size"], info["mode"], info["data"]) == ("fp32", 8, "batch", "dummy")
    assert (online["extra_info"]["mode"], online["extra_info"]["batch_size"]) == ("online", 1)
    assert (info["warmup_steps"], info["steps"], batch["stats"]["rounds"]) == (4, 30, 30)
    assert info["latency_median_s"] == pytest.approx(batch["stats"]["median"])
    assert info["images_per_s"] == pytest.approx(8 / batch["stats"]["median"])
    assert info["thread_plan"]["intra"] == len(info["thread_plan"]["cpus"])
    assert set(info["versions"]) == {"python", "tensorflow", "keras", "numpy", "resnet-fixtures"}
    assert info["emulated"] is False
    assert info["kernels"]["is_precision_proven"] is True
    junit = (pytester.path / "junit.xml").read_text()
    assert f'<property name="graph_sha256" value="{info["graph_sha256"]}"' in junit
    assert '<property name="images_per_s"' in junit
    result.stdout.fnmatch_lines(
        [
            "resnet_fixtures: *core* on socket*, intra *, inter *, data */1, *",
            "*ResNet-50 v1.5 inference*",
            "fp32 bs1: * images/s [[]*[]], median * ms [[]*[]], p90 * ms (at most *), 30 steps after 4 warm-ups",
            "    fp32 is native on *",
            "fp32 bs8: *",
            f"graphs: fp32 {fp32_file}; images: dummy",
        ]
    )


@pytest.mark.parametrize("fixture", ["timed_inference", "timed_training", "convergence_training", "scoring"])
def test_nothing_passes_without_a_measurement(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path, fixture: str
) -> None:
    pytester.makepyfile(f"def test_idle(precision, {fixture}):\n    pass\n")
    theirs = "-Wignore:Benchmark fixture was not used"  # pytest-benchmark's word for it
    result = run_suite(f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=16", theirs)
    result.assert_outcomes(failed=1, deselected=1 if "training" in fixture else 2)
    result.stdout.fnmatch_lines([f"nothing was measured: call {fixture}, or leave it out of the test's arguments."])


def test_log_has_the_seed_s_lines_and_never_shares_a_file(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path
) -> None:
    run_suite(
        f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=1,8", "--output-dir=logs", *QUICK, tests=[PERF]
    )
    logs = sorted((pytester.path / "logs").glob("benchmark_resnet50v1_5_inference_fp32_*.log"))
    assert len(logs) == 2
    texts = sorted((log.read_text() for log in logs), key=len)
    lines = texts[1].splitlines()  # the latency's line makes batch 1 the longer one
    assert lines[0] == "Inference with dummy data."
    assert [line.split(":")[0] for line in lines[1:14]] == [f"Iteration {number}" for number in range(1, 14)]
    patterns = (
        r"Average time: \d+\.\d+ sec", r"Batch size = 1", r"Latency: \d+\.\d+ ms", r"Throughput: \d+\.\d+ images/sec",
        r"Ran inference with batch size 1", r"Log file location: logs/benchmark_.*\.log",
    )  # fmt: skip
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(patterns, lines[14:], strict=True))


@pytest.mark.parametrize("flag", ["-v", "-q"])
def test_log_is_shown_live_with_v_alone(run_suite: SuiteRunner, fp32_file: Path, flag: str) -> None:
    result = run_suite(f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=1", *QUICK, flag, tests=[PERF])
    shown = [line for line in result.outlines if line.startswith(("Iteration ", "Throughput: ", "Ran inference"))]
    assert len(shown) == (15 if flag == "-v" else 0)


def test_sizes_choose_the_tests_and_ids_are_stable(run_suite: SuiteRunner) -> None:
    result = run_suite("--collect-only", "-q", "--batch-size=32", tests=[PERF])
    names = [line.rpartition("/")[2] for line in result.outlines if "::" in line]
    assert names == [f"test_inference.py::test_batch_inference[{name}-bs32]" for name in ("int8", "fp32", "bf16")]
    result.stdout.fnmatch_lines(["*3/6 tests collected (3 deselected)*"])


def test_time_that_ends_is_said(run_suite: SuiteRunner, fp32_file: Path) -> None:
    result = run_suite(
        f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=8", "--steps=5000", "--warmup-steps=3",
        "--max-time=0.3", tests=[PERF],
    )  # fmt: skip
    result.stdout.fnmatch_lines(["    --max-time 0.3 s cut the steps from 5000 to *: raise it to run them all."])
    cut = re.search(r"the steps from 5000 to (\d+):", result.stdout.str())
    assert cut is not None
    assert 10 <= int(cut[1]) < 5000


def test_real_data(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path, write_validation: SplitWriter
) -> None:
    location = write_validation([1 + number % 10 for number in range(40)])
    result = run_suite(
        f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=8", f"--data-location={location}", *QUICK,
        "--benchmark-json=out.json", tests=[PERF],
    )  # fmt: skip
    result.assert_outcomes(passed=1, deselected=5)
    info = read_results(pytester.path / "out.json")["test_batch_inference[fp32-bs8]"]["extra_info"]
    assert info["data"] == "imagenet"
    assert info["pipeline_images_per_s"] > 0
    result.stdout.fnmatch_lines(["    The input pipeline alone gives *.? images/s on the same cores."])
    assert (pytester.path / info["log"]).read_text().startswith("Inference with real data.\n")


@NEEDS_TWO_CORES
def test_instances_side_by_side(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path, write_validation: SplitWriter
) -> None:
    location = write_validation([1 + number % 10 for number in range(40)])
    result = run_suite(
        f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=8", "--num-cores=2", "--numa-cores-per-instance=1",
        f"--data-location={location}", "--steps=20", "--benchmark-json=out.json", tests=[PERF],
    )  # fmt: skip
    result.assert_outcomes(passed=1, deselected=5)
    stored = read_results(pytester.path / "out.json")["test_batch_inference[fp32-bs8]"]
    info = stored["extra_info"]
    assert stored["stats"]["rounds"] == 20
    assert len(info["instances"]) == 2
    assert [len(instance["cpus"]) for instance in info["instances"]] == [1, 1]
    assert info["images_per_s"] == pytest.approx(sum(instance["images_per_s"] for instance in info["instances"]))
    assert info["steps"] == sum(instance["steps"] for instance in info["instances"])
    assert info["batch_size"] == 8
    assert info["pipeline_images_per_s"] > 0
    assert info["window_s"] > 0
    assert info["idle_cpus"] == []
    result.stdout.fnmatch_lines([
        "    Instance 0 on CPUs *: * images/s, median * ms", "    Instance 1 on CPUs *: * images/s, median * ms"
    ])  # fmt: skip
    log = (pytester.path / info["log"]).read_text()
    throughputs = re.findall(r"^Throughput: (\S+) images/sec$", log, re.MULTILINE)
    assert len(throughputs) == 2  # which the seed's users add up
    assert sum(map(float, throughputs)) == pytest.approx(info["images_per_s"], rel=0.5)


@NEEDS_TWO_CORES
def test_instance_that_dies_fails_the_test_in_one_sentence(
    run_suite: SuiteRunner, fp32_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_up = Instances.warm_up

    def warm_up_and_die(instances: Instances, budget: StepBudget) -> WarmUp:
        warmup = warm_up(instances, budget)
        os.kill(instances.pids[1], signal.SIGKILL)
        return warmup

    monkeypatch.setattr(Instances, "warm_up", warm_up_and_die)
    arguments = ("-m", "fp32", "--batch-size=8", "--num-cores=2", "--numa-cores-per-instance=1", *QUICK)
    result = run_suite(f"--in-graph=fp32={fp32_file}", *arguments, tests=[PERF])
    result.assert_outcomes(failed=1, deselected=5)
    result.stdout.fnmatch_lines(["Instance 1 on CPUs * was killed by SIGKILL *; its last words: *"])
    assert "Traceback" not in result.stdout.str()
    assert "instances.py" not in result.stdout.str()


@pytest.mark.skipif("avx512f" not in read_isa().flags, reason="caps an AVX-512 CPU")
@pytest.mark.usefixtures("warm_children")
def test_cpu_without_the_instructions(
    pytester: pytest.Pytester, suite_graphs: dict[str, Path], cache_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process of its own: oneDNN reads its cap once."""
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    graphs = [f"--in-graph={precision}={path}" for precision, path in suite_graphs.items()]
    result = pytester.runpytest_subprocess(
        "-p", "resnet_fixtures.plugin", "-p", "no:cacheprovider", *graphs, "-m", "int8 or bf16", "--batch-size=8",
        "-rs", "--benchmark-json=out.json", *QUICK, str(PERF),
    )  # fmt: skip
    result.assert_outcomes(passed=1, skipped=1, deselected=4)
    result.stdout.fnmatch_lines(
        [
            "resnet_fixtures: * avx2 (int8 and bf16 emulated)*",
            "    int8 is emulated on *",
            "SKIPPED * TensorFlow * cannot multiply in bf16 here: *",
        ]
    )
    info = read_results(pytester.path / "out.json")["test_batch_inference[int8-bs8]"]["extra_info"]
    assert info["emulated"] is True
    assert info["isa"] == "avx2"


def test_disabled_benchmark_is_a_skip(run_suite: SuiteRunner, fp32_file: Path) -> None:
    result = run_suite(f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--benchmark-disable", "-rs", tests=[PERF])
    result.assert_outcomes(skipped=2, deselected=4)
    result.stdout.fnmatch_lines(["*nothing would be measured: leave --benchmark-disable out to time"])


def test_instances_are_described_one_by_one() -> None:
    plan = ThreadPlan((3,), intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
    result = InstanceResult(0, plan, 8, (0.5,), (0.0, 1.0, 3.0), (1.0, 3.0, 3.5))
    assert describe_instances([result], [12.0]) == [
        {"cpus": [3], "images_per_s": 12.0, "latency_median_s": 1.0, "steps": 3}
    ]
