"""Check everything that the user gave before the first image; what is wrong ends the run with exit status 4."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.fixture_use import ROOT, is_ours, parameter, uses
from resnet_fixtures.hardware.cpu_latency import cpu_latency_limit
from resnet_fixtures.hardware.facts import machine_facts
from resnet_fixtures.hardware.library_environment import inference_library_environment
from resnet_fixtures.hardware.pinning import pinned, with_environment
from resnet_fixtures.hardware.thread_plan import instance_plans
from resnet_fixtures.live import LiveTerminal
from resnet_fixtures.markers import precision_of, runnable, selected_precisions
from resnet_fixtures.output_folder import check_folder
from resnet_fixtures.precision import Precision
from resnet_fixtures.suite import CLEANUP, SUITE, Suite, is_controller, is_distributed
from resnet_fixtures.training_preflight import TIMED, prepare_trainings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from resnet_fixtures.graph.store import GraphStore

WORKER_ERROR = "resnet_fixtures_error"  # what a worker of xdist tells its controller
# The fixtures that write into --output-dir.
WRITERS = ("timed_inference", "scoring", "timed_training", "convergence_training")
BYTES_PER_PIXEL = 12  # three channels of float32


@contextmanager
def usage_errors(config: pytest.Config) -> Iterator[None]:
    """Turn an InputError into pytest's UsageError: one sentence, exit status 4."""
    try:
        yield
    except InputError as error:
        if hasattr(config, "workeroutput"):
            config.workeroutput[WORKER_ERROR] = str(error)
        raise pytest.UsageError(str(error)) from error


def pass_on_error(worker: Any) -> None:
    """End xdist's controller with the error that ended one of its workers."""
    sentence = getattr(worker, "workeroutput", {}).get(WORKER_ERROR)
    if sentence:
        raise pytest.UsageError(sentence)


def check_combinations(config: pytest.Config, suite: Suite) -> None:
    """Refuse options that exclude each other, and cores that an instance cannot have."""
    only_timing = config.getoption("benchmark_only", False)
    if only_timing and is_distributed(config):
        raise InputError("--benchmark-only times and -n runs tests side by side: leave -n out, or pass -n 0.")
    if only_timing and suite.options.accuracy_only:
        raise InputError("--benchmark-only and --accuracy-only exclude each other: pass one of them.")
    if suite.options.training.fine_tune and "base_learning_rate" in suite.options.training.recipe:
        raise InputError("--fine-tune and --base-learning-rate both set the learning rate: pass one of them.")
    if suite.options.training.processes_per_socket and suite.options.training.processes is None:
        raise InputError("--mpi-num-processes-per-socket says where processes go: pass --mpi-num-processes N too.")
    is_worker = hasattr(config, "workerinput")  # of xdist, with a share of the cores: it times nothing
    if suite.options.cores_per_instance is not None and not is_worker:
        instance_plans(suite.topology, suite.plan, suite.options.cores_per_instance)


def is_needed(session: pytest.Session) -> bool:
    """Tell whether this process will run tests on the suite's fixtures, or was given something to check.

    A run of other tests in an environment where the plugin happens to be installed is left alone.
    """
    if session.config.option.collectonly or session.testsfailed or is_controller(session.config):
        return False
    options = session.config.stash[SUITE].options
    given = options.in_graphs or options.data_location
    return bool(given) or any(uses(item, ROOT) for item in runnable(session.items))


def make_ready(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Pin the process, then check graphs, images and output folder; nothing where that has been done.

    A test whose precision TensorFlow cannot run here is skipped.
    """
    suite = config.stash[SUITE]
    if suite.graphs is None:
        config.stash[CLEANUP].enter_context(with_environment(inference_library_environment(suite.plan, os.environ)))
        config.stash[CLEANUP].enter_context(pinned(suite.plan.cpus))
        config.stash[CLEANUP].enter_context(cpu_latency_limit(suite.cpu_dma_latency_us))
        check_inputs(config, suite, runnable(items))
        skip_impossible(suite, runnable(items))


def check_inputs(config: pytest.Config, suite: Suite, items: Sequence[pytest.Item]) -> None:
    """Load the graphs and find the images that were given, and look at the folders where something will be written."""
    from resnet_fixtures.graph.cache import cache_folder, make_folder

    if any(uses(item, name) for item in items for name in WRITERS):
        check_folder("--output-dir", suite.options.output_dir)
    _check_histogram(config)
    _check_comparison(config, items)
    make_folder(cache_folder())
    suite.graphs = prepare_graphs(config, suite, items)
    trials = [item for item in items if uses(item, TIMED)]  # they look at the train split alone
    if suite.options.data_location is not None and (len(trials) < len(items) or not items):
        from resnet_fixtures.data.imagenet import find_split

        suite.split = find_split(suite.options.data_location)
    others = [item for item in items if item not in trials]
    check_split_size(suite, max(_batch_sizes(filter(_fills_batches, others)), default=0))
    _check_memory(suite, max(_batch_sizes(items), default=0), suite.graphs.largest_image_size)
    prepare_trainings(config, suite, items)


def prepare_graphs(config: pytest.Config, suite: Suite, items: Sequence[pytest.Item]) -> GraphStore:
    """Return the run's graphs: each that was given with a precision, or for the one that is selected, is checked."""
    from resnet_fixtures.graph.store import GraphStore

    selected = selected_precisions(items)
    bare = [choice.path for choice in suite.options.in_graphs if choice.precision is None]
    if bare and len(selected) != 1:
        names = f"{', '.join(map(str, selected))} are selected" if selected else "no test is selected that needs it"
        raise InputError(
            f"--in-graph {bare[0]} does not say its precision, and {names}: "
            "write PRECISION=PATH, or select one with -m."
        )
    given = {
        precision: suite.options.graph_paths(precision, is_selected=precision in selected) for precision in Precision
    }
    for precision, paths in given.items():
        if len(paths) > 1:
            names = ", ".join(map(str, paths))
            raise InputError(f"--in-graph names several graphs for {precision} ({names}): pass one.")
    only = {precision: paths[0] for precision, paths in given.items() if paths}
    announce = LiveTerminal(config).announce
    graphs = GraphStore(only, announce)
    for precision in only:
        if precision not in selected:
            announce(f"--in-graph {only[precision]} is not run: no test of {precision} is selected")
        graphs.graph(precision)
    return graphs


def skip_impossible(suite: Suite, items: Sequence[pytest.Item]) -> None:
    """Skip the tests in a precision that TensorFlow, asked to multiply in it, does not manage here."""
    from resnet_fixtures.inference.attempt import why_it_fails

    for precision in selected_precisions(items):
        reason = why_it_fails(precision, suite.plan)
        if reason:
            for item in items:
                if precision_of(item) is precision:
                    item.add_marker(pytest.mark.skip(reason=reason))


def _fills_batches(item: pytest.Item) -> bool:
    """Tell whether a test needs full batches: a scored split may end in a smaller one."""
    fixtures = ("image_batch", "timed_inference", "timed_training")
    return bool(item.get_closest_marker("perf")) or any(uses(item, name) for name in fixtures)


def _batch_sizes(items: Iterable[pytest.Item]) -> list[int]:
    sizes = (parameter(item, "batch_size") for item in items if is_ours(item))
    return [size for size in sizes if isinstance(size, int)]


def check_split_size(suite: Suite, largest: int) -> None:
    """Refuse a batch that the data cannot fill."""
    if suite.split is not None and largest > suite.split.images:
        raise InputError(
            f"--data-location {suite.options.data_location} has {suite.split.images} images, "
            f"less than a batch of {largest}: pass a smaller --batch-size."
        )


def _check_memory(suite: Suite, largest: int, image_size: int) -> None:
    memory_bytes = machine_facts(suite.topology, suite.isa)["memory_bytes"]
    needed_bytes = largest * image_size**2 * BYTES_PER_PIXEL
    if isinstance(memory_bytes, int) and needed_bytes > memory_bytes:
        raise InputError(
            f"--batch-size {largest} takes {needed_bytes / 2**30:.0f} GiB for its images alone, "
            f"this run may use {memory_bytes / 2**30:.0f} GiB: pass a smaller one."
        )


def _check_histogram(config: pytest.Config) -> None:
    if config.getoption("benchmark_histogram", None) and find_spec("pygal") is None:
        raise InputError("--benchmark-histogram needs pygal: run `pip install 'resnet-fixtures[histogram]'` first.")


def _check_comparison(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Refuse a comparison that nothing could fail; a run that is saved may be a storage's first.

    Tests without a stored partner are named: nothing compares them.
    """
    stored = getattr(config, "_benchmarksession", None)
    if not stored or not stored.compare_fail:
        return
    is_saved, announce = bool(stored.save or stored.autosave), LiveTerminal(config).announce
    if not stored.compared_mapping and is_saved:
        announce(f"nothing to compare with in {stored.storage} yet: --benchmark-compare-fail begins with the next run")
        stored.compare_fail = []  # pytest-benchmark would refuse it at the end
        return
    if not stored.compared_mapping:
        raise InputError(
            f"--benchmark-compare-fail has no stored run to compare with in {stored.storage}: "
            "save one with --benchmark-autosave, and pass --benchmark-compare."
        )
    timed = {item.nodeid for item in items if "benchmark" in getattr(item, "fixturenames", ())}
    new = timed.difference(*stored.compared_mapping.values())
    if new and (new < timed or is_saved):
        announce(f"--benchmark-compare-fail has nothing stored to compare with for {', '.join(sorted(new))}")
    elif new:
        runs = ", ".join(map(str, stored.compared_mapping))
        raise InputError(
            f"--benchmark-compare-fail has nothing to compare: {runs} has none of the selected tests; "
            "save a run of them with --benchmark-autosave."
        )
