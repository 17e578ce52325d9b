"""Somebody else's tests: those that use the fixtures get them, the others are left alone."""

from __future__ import annotations

import inspect
import subprocess
import sys
import textwrap
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.fixtures import graphs, images, machine, runs
from tests.plugin.conftest import QUICK, SUITE_CLASSES, SUITE_SIDE, TESTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from resnet_fixtures.precision import Precision
    from tests.plugin.conftest import SplitWriter, SuiteRunner

PUBLIC = {
    "thread_plan": machine, "precision": graphs, "graph_store": graphs, "frozen_graph": graphs, "tf_session": graphs,
    "batch_size": images, "image_batch": images, "imagenet": images, "timed_inference": runs, "scoring": runs,
    "accuracy_tolerance": runs,
}  # fmt: skip

USER = f"""
import numpy as np
import pytest


def test_all(thread_plan, frozen_graph, image_batch, tf_session, precision, batch_size):
    assert frozen_graph.precision is precision
    assert frozen_graph.image_size == {SUITE_SIDE}
    assert image_batch.shape == (batch_size, {SUITE_SIDE}, {SUITE_SIDE}, 3)
    assert not image_batch.flags.writeable
    assert tf_session.predict(image_batch).shape == (batch_size, {SUITE_CLASSES})
    assert thread_plan.intra >= 1


def test_imagenet(imagenet, tf_session, batch_size):
    right = sum(
        int((tf_session.predict(batch.images).argmax(axis=1) == batch.labels).sum())
        for batch in imagenet.batches(batch_size)
    )
    assert 0 <= right <= imagenet.split.images


@pytest.mark.parametrize("precision", ["fp32"])
@pytest.mark.parametrize("batch_size", [3])
def test_by_hand(precision, batch_size, tf_session, image_batch):
    assert tf_session.graph.precision == precision
    assert len(tf_session.predict(image_batch)) == 3


def test_asks_while_it_runs(request):
    assert request.getfixturevalue("thread_plan").cpus
"""

ALONE = """
import os, sys
import pytest

AFFINITY = {affinity}

@pytest.fixture
def precision():
    return "of my own"

@pytest.fixture(params=[7, 8])
def batch_size(request):
    return request.param

@pytest.mark.perf("my own mark")
def test_mine(precision, batch_size):
    assert precision == "of my own"
    assert batch_size in (7, 8)

@pytest.mark.parametrize("precision", [1e-3, 1e-6])
@pytest.mark.parametrize("batch_size", [[1], "none", None])
def test_numbers(precision, batch_size):
    assert isinstance(precision, float)

@pytest.mark.imagenet
@pytest.mark.digits
def test_marks():
    pass

def test_left_alone():
    assert os.sched_getaffinity(0) == AFFINITY
    assert not {{"tensorflow", "keras", "scipy"}} & set(sys.modules)
    assert not {{"OMP_NUM_THREADS", "KMP_AFFINITY", "TF_CPP_MIN_LOG_LEVEL"}} & set(os.environ)
"""


def test_fixtures_serve_a_suite_outside_our_tree(
    pytester: pytest.Pytester, run_suite: SuiteRunner, suite_graphs: Mapping[Precision, Path]
) -> None:
    pytester.makepyfile(USER)
    given = [f"--in-graph={precision}={path}" for precision, path in suite_graphs.items()]
    result = run_suite(*given, "--batch-size=1,4", "-rs")
    result.assert_outcomes(passed=6 + 1 + 1, skipped=6)
    result.stdout.fnmatch_lines(["SKIPPED * needs labelled images: pass --data-location DIR"])


def test_real_images_and_one_precision(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path, write_validation: SplitWriter
) -> None:
    pytester.makepyfile(USER)
    location = write_validation([1 + number % 10 for number in range(9)])
    result = run_suite(f"--in-graph={fp32_file}", f"--data-location={location}", "--batch-size=4", "-m", "fp32")
    result.assert_outcomes(passed=3, deselected=5)  # int8 and bf16 twice each, and the one without a precision


def test_image_batch_is_never_smaller_than_asked_for(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path, write_validation: SplitWriter
) -> None:
    pytester.makepyfile(USER)
    location = write_validation([1, 2, 3, 4])
    result = run_suite(f"--in-graph={fp32_file}", f"--data-location={location}", "--batch-size=8", "-m", "fp32")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --data-location * has 4 images, less than a batch of 8: *"])


MADE_UP_SIZE = """
import pytest

@pytest.fixture
def batch_size():
    return 5

@pytest.mark.parametrize("precision", ["fp32"])
def test_made_up(image_batch, precision, batch_size):
    raise AssertionError
"""


def test_size_that_is_made_up_while_the_test_runs_is_refused(
    pytester: pytest.Pytester, run_suite: SuiteRunner, write_validation: SplitWriter, fp32_file: Path
) -> None:
    pytester.makepyfile(MADE_UP_SIZE)
    location = write_validation([1, 2, 3, 4])
    result = run_suite(f"--in-graph=fp32={fp32_file}", f"--data-location={location}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"--data-location {location} has 4 images, less than a batch of 5: *"])


OTHER_WAYS = """
import pytest

def pytest_generate_tests(metafunc):
    if metafunc.function is test_by_hook:
        metafunc.parametrize("precision", ["int8"], indirect=True)
        metafunc.parametrize("batch_size", [3], indirect=True)

def test_by_hook(precision, batch_size):
    assert (precision.value, batch_size) == ("int8", 3)

@pytest.mark.parametrize("precision", [])
def test_of_none(precision, frozen_graph):
    raise AssertionError

@pytest.mark.skip
@pytest.mark.parametrize("precision", ["fp16"])
def test_of_another(precision, frozen_graph):
    raise AssertionError

def test_late(request):
    request.getfixturevalue("precision")
"""


def test_parametrized_by_a_hook_by_nothing_and_too_late(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile(OTHER_WAYS)
    result = run_suite()
    result.assert_outcomes(passed=1, skipped=2, failed=1)
    result.stdout.fnmatch_lines(["precision has no value here, because the test asks for it while it runs *"])


def test_training_that_is_asked_for_late(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile(
        "import pytest\n\npytestmark = pytest.mark.training\n\n"
        "@pytest.mark.parametrize(('precision', 'batch_size'), [('fp32', 2)], indirect=True)\n"
        "def test_late(request, precision, batch_size):\n"
        "    request.getfixturevalue('timed_training')()\n"
    )
    result = run_suite("-W", "ignore::pytest_benchmark.logger.PytestBenchmarkWarning")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_late[[]fp32-2] asks for its timing while it runs, *: name timed_training or *"])


@pytest.mark.parametrize("size", ["0", "-3", "'4'", "2.5", "True"])
def test_batch_size_of_one_s_own_that_is_none(pytester: pytest.Pytester, run_suite: SuiteRunner, size: str) -> None:
    pytester.makepyfile(
        f"import pytest\n\n@pytest.mark.parametrize('batch_size', [{size}])\n"
        "def test_it(image_batch, batch_size):\n    pass\n"
    )
    result = run_suite("-m", "fp32")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: *::test_it*: its batch size is {size}: parametrize it with whole numbers from 1."]
    )


def test_a_test_is_timed_once(pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path) -> None:
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.perf\n"
        "def test_twice(timed_inference):\n    timed_inference()\n    timed_inference()\n"
    )
    result = run_suite(f"--in-graph=fp32={fp32_file}", "-m", "fp32", "--batch-size=1", *QUICK)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*test_twice* is timed twice, and pytest-benchmark keeps one timing of a test: *"])


def test_timing_without_pytest_s_terminal(run_suite: SuiteRunner, fp32_file: Path) -> None:
    arguments = ("-p", "no:terminal", "--junit-xml=junit.xml", "-m", "fp32", "--batch-size=1", *QUICK)
    result = run_suite(f"--in-graph=fp32={fp32_file}", *arguments, tests=[TESTS / "perf"])
    assert result.ret == pytest.ExitCode.OK


def test_fixture_that_is_asked_for_late_pins_the_process(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile(
        "import os\n\ndef test_late(request):\n"
        "    plan = request.getfixturevalue('thread_plan')\n"
        "    assert os.sched_getaffinity(0) == set(plan.cpus)\n"
        "    assert len(plan.cpus) == 1\n"
    )
    run_suite("--num-cores=1").assert_outcomes(passed=1)


def test_suite_that_uses_none_is_left_alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    pytester.makepyfile(ALONE.format(affinity=os.sched_getaffinity(0)))
    for name in ("OMP_NUM_THREADS", "KMP_AFFINITY", "KMP_BLOCKTIME", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    result = pytester.runpytest_subprocess("-p", "resnet_fixtures.plugin", "--num-cores=1", "--strict-markers")
    result.assert_outcomes(passed=2 + 6 + 1 + 1)


def test_manual_shows_each_fixture_with_an_example(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    output = run_suite("--fixtures").stdout.str()
    for name, module in PUBLIC.items():
        assert f"\n{name}" in output
        assert "Example::" in documentation(module, name)


def documentation(module: ModuleType, name: str) -> str:
    fixture: Any = getattr(module, name)
    text: str = inspect.getdoc(getattr(fixture, "__wrapped__", None) or fixture._get_wrapped_function()) or ""
    return text


def example(module: ModuleType, name: str) -> str:
    """Return the code of a fixture's docstring."""
    return textwrap.dedent(documentation(module, name).partition("Example::\n")[2]).strip() + "\n"


def test_every_public_fixture_is_known() -> None:
    modules = (import_module(f"resnet_fixtures.fixtures.{name}") for name in ("machine", "graphs", "images", "runs"))
    fixtures = {
        name for module in modules for name, value in vars(module).items() if "FixtureFunction" in type(value).__name__
    }
    assert fixtures == set(PUBLIC)


def test_examples_run(
    pytester: pytest.Pytester, run_suite: SuiteRunner, write_validation: SplitWriter, wide_fp32_file: Path
) -> None:
    """With a graph of 1001 classes, as the examples say, and looser limits where one asks for real accuracy."""
    sources = {name: example(module, name) for name, module in PUBLIC.items()}
    assert all(source.startswith(("def test_", "@pytest.mark.")) for source in sources.values())
    sources["scoring"] = sources["scoring"].replace("> 0.75", ">= 0.0")
    pytester.makepyfile(**{f"test_{name}": "import pytest\n\n" + source for name, source in sources.items()})
    location = write_validation([1 + number % 10 for number in range(9)])
    result = run_suite(
        f"--in-graph=fp32={wide_fp32_file}", f"--data-location={location}", "--batch-size=4", *QUICK,
        "-k", "not int8 and not bf16",
    )  # fmt: skip
    result.assert_outcomes(passed=len(PUBLIC), deselected=2 * 9)


def test_distribution_says_that_it_is_a_pytest_plugin() -> None:
    """Without -p: an installed distribution is found by its entry point."""
    command = [sys.executable, "-m", "pytest", "--co", "-q", "--trace-config", "-p", "no:cacheprovider", "/dev/null"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert "resnet_fixtures.plugin" in run.stdout
