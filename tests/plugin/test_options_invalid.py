"""Values that no option takes: exit status 4, the option and the value named, and no test run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.plugin.conftest import SuiteRunner

TEST = "def test_nothing():\n    raise AssertionError('a test ran')\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--batch-size", "0"), "argument --batch-size: 0 is not positive; pass a whole number from 1"),
        (("--batch-size", "1,x"), "argument --batch-size: 'x' is not a whole number; pass one such as 4"),
        (("--batch-size", "-3"), "argument --batch-size: -3 is negative; pass a whole number from 0*"),
        (("--steps", "0"), "argument --steps: 0 is not positive; pass a whole number from 1"),
        (("--steps", "2.5"), "argument --steps: '2.5' is not a whole number; pass one such as 4"),
        (("--warmup-steps", "-1"), "argument --warmup-steps: -1 is negative; *"),
        (("--warmup-steps", "9" * 400), "argument --warmup-steps: a number of 400 digits is too large; *"),
        (("--max-time", "nan"), "argument --max-time: nan is no positive number of seconds; pass one such as 60"),
        (("--num-cores", "0"), "argument --num-cores: 0 is not positive; *"),
        (("--num-intra-threads", "many"), "argument --num-intra-threads: 'many' is not a whole number; *"),
        (("--cpu-dma-latency", "-1"), "argument --cpu-dma-latency: -1 is negative; *"),
        (("--socket-id", "-1"), "argument --socket-id: -1 is negative; *"),
        (
            ("--numa-cores-per-instance", "node"),
            "argument --numa-cores-per-instance: 'node' is no number of cores; pass *",
        ),
        (("--accuracy-tolerance", "5"), "argument --accuracy-tolerance: 5 is not between 0 and 1; *"),
        (("--data-location", ""), "argument --data-location: the path is empty; name one, *"),
        (("--in-graph", "fp32="), "argument --in-graph: the path is empty; name one, *"),
        (("--output-dir", ""), "argument --output-dir: the path is empty; name one, *"),
        (
            ("--in-graph", "int4=x.pb"),
            "argument --in-graph: int4=x.pb: int4 is no precision; write int8, fp32 or bf16*",
        ),
    ],
)
def test_shape_of_one_value(
    pytester: pytest.Pytester, run_suite: SuiteRunner, arguments: tuple[str, ...], sentence: str
) -> None:
    pytester.makepyfile(TEST)
    result = run_suite(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*error: {sentence}"])
    assert "Traceback" not in result.stderr.str()
    assert "a test ran" not in result.stdout.str()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--num-cores", "4096"),
            "ERROR: --num-cores 4096 is more than the * CPU* that this process may use*; pass at most *.",
        ),
        (("--num-intra-threads", "4096"), "ERROR: --num-intra-threads 4096 is more than *; pass at most *."),
        (("--num-inter-threads", "4096"), "ERROR: --num-inter-threads 4096 is more than *; pass at most *."),
        (("--data-num-intra-threads", "4096"), "ERROR: --data-num-intra-threads 4096 is more than *; pass at most *."),
        (("--data-num-inter-threads", "4096"), "ERROR: --data-num-inter-threads 4096 is more than *; pass at most *."),
        (
            ("--socket-id", "77"),
            "ERROR: --socket-id 77 is not among the sockets that this process may use *; pass one of*",
        ),
        (("--numa-cores-per-instance", "999"), "ERROR: --numa-cores-per-instance 999 is more than the * of the run; *"),
        (
            ("--benchmark-only", "--accuracy-only"),
            "ERROR: --benchmark-only and --accuracy-only exclude each other: pass one of them.",
        ),
        (
            ("-n", "2", "--benchmark-only"),
            "ERROR: --benchmark-only times and -n runs tests side by side: leave -n out, or pass -n 0.",
        ),
    ],
)
def test_more_than_there_is(
    pytester: pytest.Pytester, run_suite: SuiteRunner, arguments: tuple[str, ...], sentence: str
) -> None:
    pytester.makepyfile(TEST)
    result = run_suite(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([sentence])
    assert result.stderr.str().count("ERROR") == 1
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
    assert "a test ran" not in result.stdout.str()


def test_no_workers_at_all_is_no_contradiction(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile("def test_time(benchmark):\n    benchmark(lambda: None)\n")
    run_suite("-n", "0", "--benchmark-only").assert_outcomes(passed=1)


def test_mark_that_says_something_else(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.perf(mode='offline')\ndef test_speed(timed_inference):\n    timed_inference()\n"
    )
    result = run_suite()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: *::test_speed*: mark it perf(mode=…) with one of online, batch, or perf alone."]
    )
