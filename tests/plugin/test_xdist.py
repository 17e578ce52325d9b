"""Under -n: timing is skipped, scoring is spread over cores, and what is wrong ends the run as it does without."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.precision import Precision
from tests.plugin.conftest import TESTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.plugin.conftest import SplitWriter, SuiteRunner

CORES = len(read_topology().physical)


def test_precisions_are_scored_side_by_side_and_timing_is_skipped(
    pytester: pytest.Pytester,
    run_suite: SuiteRunner,
    suite_graphs: Mapping[Precision, Path],
    write_validation: SplitWriter,
) -> None:
    location = write_validation([1 + number % 10 for number in range(40)])
    graphs = [f"--in-graph={precision}={suite_graphs[precision]}" for precision in (Precision.FP32, Precision.BF16)]
    result = run_suite(
        "-n", "2", *graphs, f"--data-location={location}", "-m", "fp32 or bf16", "--batch-size=8", "-rs",
        "--accuracy-tolerance=0.99", "--output-dir=out",
        tests=[TESTS / "accuracy" / "test_imagenet.py", TESTS / "perf"],
    )  # fmt: skip
    result.assert_outcomes(passed=2, skipped=2)
    result.stdout.fnmatch_lines(["SKIPPED * timing tests do not run side by side: leave -n out to time"])
    result.stdout.fnmatch_lines_random(
        [
            "fp32 bs8: top-1 * of 40 images of imagenet",
            "bf16 bs8: top-1 * of 40 images of imagenet",
            "fp32 and bf16 * on 40 images: * McNemar p = *.",
        ]
    )
    results = [json.loads(file.read_text()) for file in (pytester.path / "out").glob("*.json")]
    assert sorted(result["precision"] for result in results) == ["bf16", "fp32"]
    plans = [result["thread_plan"] for result in results]
    assert all(plan["intra"] == len(plan["cpus"]) for plan in plans)
    if CORES >= 2:
        assert not set(plans[0]["cpus"]) & set(plans[1]["cpus"])


@pytest.mark.skipif(CORES < 2, reason="one core is no more than a worker's share")
def test_instances_larger_than_a_worker_s_share_are_no_matter_of_workers(
    pytester: pytest.Pytester, run_suite: SuiteRunner
) -> None:
    pytester.makepyfile("def test_it():\n    pass\n")
    run_suite("-n", "2", "--numa-cores-per-instance=2").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--in-graph=fp32=none.pb",),
            "ERROR: --in-graph none.pb cannot be read (No such file or directory): pass a frozen GraphDef (.pb).",
        ),
        (
            ("--in-graph=none.pb", "-m", "fp32 or bf16"),
            "ERROR: --in-graph none.pb does not say its precision, and fp32, bf16 are selected: write PRECISION*",
        ),
        (("--data-location=none",), "ERROR: The data location none does not exist: name the folder of the images."),
    ],
)
def test_bad_input_ends_the_run_with_one_sentence(
    run_suite: SuiteRunner, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run_suite("-n", "2", *arguments, tests=[TESTS / "accuracy"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])
    output = result.stderr.str() + result.stdout.str()
    assert output.count("ERROR") == 1
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
