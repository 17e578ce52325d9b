"""Markers: their names, the parameters that tests get by them, and which tests cannot run here."""

from __future__ import annotations

from enum import Enum
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.distribution import spread
from resnet_fixtures.errors import InputError
from resnet_fixtures.fixture_use import is_ours, parameter, parametrized_by_hand, parametrized_by_hooks, uses
from resnet_fixtures.gate_options import GateMode
from resnet_fixtures.gating import tolerance_fact
from resnet_fixtures.precision import Precision
from resnet_fixtures.suite import RESULT, SUITE, Suite, is_distributed
from resnet_fixtures.timing.replay import ReplayClock
from resnet_fixtures.training.recipe import TRAINED_PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

MARKERS = (
    "int8: runs in 8-bit integers",
    "fp32: runs in 32-bit floating point",
    "bf16: runs in bfloat16",
    "perf(mode=None): times inference; mode online takes batch size 1, batch the others",
    "accuracy: scores a graph on labelled images; batch size 100 by default",
    "imagenet: needs ImageNet (--data-location) and published graphs (--in-graph)",
    "digits: scores the embedded digits model",
    "training: trains the model",
    "distributed: runs in several processes",
    "mlperf: trains to MLPerf's target",
    "gate(tolerance): how much the test may lose under --gate, such as gate(tolerance='2%')",
)
MODES = ("online", "batch")
PERF_BATCH_SIZES = (1, 128)
ACCURACY_BATCH_SIZES = (100,)
TRAINING_BATCH_SIZES = (16,)
DISTRIBUTED_BATCH_SIZES = (8,)  # of each process: two of them share the images of a step of one
TRAINING_FIXTURES = ("timed_training", "convergence_training")
BATCH_FIXTURES = ("image_batch", "timed_inference", "timed_training", "scoring")  # what needs a batch size
MEASURING_FIXTURES = ("timed_inference", *TRAINING_FIXTURES, "scoring")
TRAINING_MARKERS = ("training", "distributed", "mlperf")


class NoBatchSize(Enum):
    """Stands for the batch size of a test whose mode takes none of those asked for; the test is deselected."""

    NONE = "none"


def register_markers(config: pytest.Config) -> None:
    """Make the markers known to --strict-markers and `pytest --markers`."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Give a test that uses `precision` all three, and one that uses `batch_size` those of its kind."""
    item = metafunc.definition
    by_hand = parametrized_by_hand(item) | parametrized_by_hooks(metafunc)
    if uses(item, "precision") and "precision" not in by_hand:
        metafunc.parametrize("precision", _precisions(item), ids=str, indirect=True)
    if uses(item, "batch_size") and "batch_size" not in by_hand:
        sizes = batch_sizes(metafunc.config.stash[SUITE], item) or (NoBatchSize.NONE,)
        metafunc.parametrize("batch_size", sizes, ids=_name_size, indirect=True)


def batch_sizes(suite: Suite, item: pytest.Item) -> tuple[int, ...]:
    """Return the batch sizes of a test: those asked for or the default ones, as far as its mode takes them."""
    sizes = suite.options.batch_sizes or _default_batch_sizes(item)
    mode = _mode(item)
    return tuple(size for size in sizes if mode is None or (size == 1) == (mode == "online"))


def _default_batch_sizes(item: pytest.Item) -> tuple[int, ...]:
    if item.get_closest_marker("accuracy"):
        return ACCURACY_BATCH_SIZES
    if item.get_closest_marker("distributed"):
        return DISTRIBUTED_BATCH_SIZES
    return TRAINING_BATCH_SIZES if item.get_closest_marker("training") else PERF_BATCH_SIZES


def _precisions(item: pytest.Item) -> tuple[Precision, ...]:
    return TRAINED_PRECISIONS if any(uses(item, name) for name in TRAINING_FIXTURES) else tuple(Precision)


def mark_precision(item: pytest.Item) -> None:
    """Give a test the mark of its precision, so that -m selects it, whoever parametrized it."""
    precision = precision_of(item)
    if precision is not None and is_ours(item):
        item.add_marker(str(precision))


def mark_replay(item: pytest.Item) -> None:
    """Give a test whose steps run in other processes a benchmark clock that repeats their times."""
    is_gated = item.config.stash[SUITE].options.gate.mode is not GateMode.OFF
    if uses(item, "timed_training") or (is_gated and uses(item, "timed_inference")):
        own = item.get_closest_marker("benchmark")  # pytest-benchmark reads the nearest alone
        options = {**(own.kwargs if own else {}), "timer": ReplayClock()}
        item.add_marker(pytest.mark.benchmark(**options), append=False)


def replay_clock(item: pytest.Item) -> ReplayClock:
    """Return the clock of `mark_replay`; InputError where a test asks for its fixture while it runs."""
    marker = item.get_closest_marker("benchmark")
    clock = marker.kwargs.get("timer") if marker else None
    if not isinstance(clock, ReplayClock):
        raise InputError(
            f"{item.nodeid} asks for its timing while it runs, when pytest-benchmark's clock is set: name "
            "timed_training or timed_inference among the test's arguments."
        )
    return clock


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what was not asked for, and skip with its reason what cannot run here."""
    suite = config.stash[SUITE]
    ours = {item for item in items if is_ours(item)}
    for item in items:
        if item in ours:
            _check_marks(item)
    unwanted = {
        item
        for item in items
        if parameter(item, "batch_size") is NoBatchSize.NONE
        or (suite.options.accuracy_only and not item.get_closest_marker("accuracy"))
        or (item in ours and item.get_closest_marker("training") and times_inference_alone(config))
    }
    if unwanted:
        config.hook.pytest_deselected(items=[item for item in items if item in unwanted])
        items[:] = [item for item in items if item not in unwanted]
    for item in items:
        reason = _why_not(config, suite, item) if item in ours else None
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
    if is_distributed(config):
        items[:] = spread(items)


def fail_unless_measured(item: pytest.Item) -> None:
    """Fail a test that has passed without what it has a fixture for: nothing passes without a measurement."""
    unused = [name for name in MEASURING_FIXTURES if uses(item, name)]
    if unused and RESULT not in item.stash:
        pytest.fail(f"nothing was measured: call {unused[0]}, or leave it out of the test's arguments.", pytrace=False)


def times_inference_alone(config: pytest.Config) -> bool:
    """Tell a run with --benchmark-only that names neither a marker nor a folder of training."""
    if not config.getoption("benchmark_only", False):
        return False
    expression = config.getoption("markexpr", "")
    folders = {part for argument in config.args for part in _parts_below_root(config, argument)}
    return "training" not in folders and not any(marker in expression for marker in TRAINING_MARKERS)


def _parts_below_root(config: pytest.Config, argument: str) -> tuple[str, ...]:
    """Split an argument's path; the folders that the whole project lies in say nothing of the test."""
    path = config.invocation_params.dir / argument.partition("::")[0]
    return path.relative_to(config.rootpath).parts if path.is_relative_to(config.rootpath) else path.parts


def precision_of(item: pytest.Item) -> Precision | None:
    """Return the precision that a test is parametrized with; a string will do, anything else is somebody else's."""
    value = parameter(item, "precision")
    try:
        return Precision(value)
    except ValueError:
        return None


def runnable(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """Return those of the suite's tests that will not be skipped."""
    return [item for item in items if is_ours(item) and not item.get_closest_marker("skip")]


def selected_precisions(items: Iterable[pytest.Item]) -> tuple[Precision, ...]:
    """Return the precisions that the suite's runnable tests run in, in the order of Precision."""
    chosen = {precision_of(item) for item in runnable(items)}
    return tuple(precision for precision in Precision if precision in chosen)


def _name_size(size: int | NoBatchSize) -> str:
    return "none" if isinstance(size, NoBatchSize) else f"bs{size}"


def _why_not(config: pytest.Config, suite: Suite, item: pytest.Item) -> str | None:
    is_timing = item.get_closest_marker("perf") or item.get_closest_marker("training")
    if is_timing and "benchmark" in getattr(item, "fixturenames", ()):
        if is_distributed(config):
            return "timing tests do not run side by side: leave -n out to time"
        if config.getoption("benchmark_disable", False):
            return "nothing would be measured: leave --benchmark-disable out to time"
    if item.get_closest_marker("distributed"):
        return _why_not_distributed(suite)
    if item.get_closest_marker("mlperf") and suite.options.training.train_steps:
        return "--train-steps asks for a trial: leave it out to train to the target"
    if item.get_closest_marker("imagenet"):
        return _why_no_imagenet(suite, precision_of(item))
    if item.get_closest_marker("digits") and suite.options.data_location:
        return "the embedded digits are scored where no --data-location is given"
    return None


def _why_not_distributed(suite: Suite) -> str | None:
    if suite.options.training.processes:
        return None
    if suite.options.data_location:
        return "trains in several processes: pass --mpi-num-processes N"
    if len(suite.plan.cpus) < 2:
        return "two processes need two cores, and this run has one"
    if find_spec("mpi4py") is None:
        return "needs mpirun and mpi4py: pip install 'resnet-fixtures[mpi]'"
    return None


def _why_no_imagenet(suite: Suite, precision: Precision | None) -> str | None:
    if suite.options.data_location is None:
        return "needs ImageNet: pass --data-location DIR"
    if precision and not suite.options.graph_paths(precision):
        return f"the embedded graph has random weights: pass --in-graph {precision}=PATH"
    return None


def _mode(item: pytest.Item) -> str | None:
    marker = item.get_closest_marker("perf")
    return marker.kwargs.get("mode") if marker else None


def _check_marks(item: pytest.Item) -> None:
    """Refuse what a test of the suite's has in its marks and must not have."""
    _check_mode(item)
    _check_precision(item)
    _check_batch_size(item)
    if any(uses(item, name) for name in MEASURING_FIXTURES):  # somebody else's mark may have the gate's name
        tolerance_fact(item)


def _check_mode(item: pytest.Item) -> None:
    marker = item.get_closest_marker("perf")
    if marker and (marker.args or set(marker.kwargs) - {"mode"} or _mode(item) not in (None, *MODES)):
        raise pytest.UsageError(f"{item.nodeid}: mark it perf(mode=…) with one of {', '.join(MODES)}, or perf alone.")


def _check_precision(item: pytest.Item) -> None:
    is_training = any(uses(item, name) for name in TRAINING_FIXTURES)
    possible = TRAINED_PRECISIONS if is_training else tuple(Precision)
    by_hand = (is_training or uses(item, "frozen_graph")) and "precision" in parametrized_by_hand(item)
    # A test whose parameters are an empty list has pytest's own mark to skip it.
    if by_hand and precision_of(item) not in possible and not item.get_closest_marker("skip"):
        names = ", ".join(map(str, possible))
        raise pytest.UsageError(f"{item.nodeid}: its precision is none: parametrize it with some of {names}.")


def _check_batch_size(item: pytest.Item) -> None:
    size = parameter(item, "batch_size")
    by_hand = any(uses(item, name) for name in BATCH_FIXTURES) and "batch_size" in parametrized_by_hand(item)
    if by_hand and not item.get_closest_marker("skip") and (type(size) is not int or size < 1):
        raise pytest.UsageError(f"{item.nodeid}: its batch size is {size!r}: parametrize it with whole numbers from 1.")
