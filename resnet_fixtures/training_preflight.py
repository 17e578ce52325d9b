"""Check what trainings were given before the first image: data, batch, cores, mpirun, hosts and checkpoints."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.fixture_use import parameter, uses
from resnet_fixtures.gate_options import GateMode
from resnet_fixtures.live import LiveTerminal
from resnet_fixtures.markers import precision_of
from resnet_fixtures.output_folder import check_folder
from resnet_fixtures.paths import exists
from resnet_fixtures.training_orders import (
    ALONE,
    DEFAULT_RANKS,
    MIN_TRIAL_STEPS,
    convergence_order,
    make_layout,
    trial_order,
)
from resnet_fixtures.training_runs import plan_launch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from resnet_fixtures.data.split import Split
    from resnet_fixtures.suite import Suite
    from resnet_fixtures.training.layout import Layout
    from resnet_fixtures.training.order import Order

TIMED, CONVERGING = "timed_training", "convergence_training"  # the fixtures that train


def prepare_trainings(config: pytest.Config, suite: Suite, items: Iterable[pytest.Item]) -> None:
    """Refuse what no training could begin with; with --mpi-dry-run show mpirun's arguments and skip them all."""
    trainings = [item for item in items if uses(item, TIMED) or uses(item, CONVERGING)]
    options = suite.options.training
    layouts = {layout_of(suite, item) for item in trainings}
    for layout in sorted(layouts, key=lambda layout: layout.processes):
        check_layout(config, suite, layout)
    if options.dry_run:
        for item in trainings:
            item.add_marker(pytest.mark.skip(reason="--mpi-dry-run starts nothing"))
        return
    check_folders(suite)
    mode = suite.options.gate.mode
    if mode is not GateMode.OFF and options.checkpoint and any(uses(item, CONVERGING) for item in trainings):
        raise InputError(
            f"{mode.value} judges the time of whole trainings, and what goes on from --checkpoint is a part of one: "
            "leave --checkpoint out."
        )
    if options.train_steps and options.train_steps < MIN_TRIAL_STEPS and any(uses(item, TIMED) for item in trainings):
        raise InputError(
            f"--train-steps {options.train_steps} is too short a trial to be timed: pass {MIN_TRIAL_STEPS} or more."
        )
    find = split_finder(suite)
    for item in trainings:
        for order in make_orders(config, suite, item):
            check_order(order, find)


def layout_of(suite: Suite, item: pytest.Item) -> Layout:
    """Return the processes that a test trains with: a trial one alone, unless it is marked distributed."""
    options = suite.options.training
    if item.get_closest_marker("distributed"):
        return make_layout(options, DEFAULT_RANKS)
    return make_layout(options) if uses(item, CONVERGING) else ALONE


def check_layout(config: pytest.Config, suite: Suite, layout: Layout) -> None:
    """Refuse processes without a core, without an mpirun or mpi4py, and hosts that cannot be reached."""
    launch = plan_launch(suite, layout)
    if not layout.needs_mpirun:
        return
    if find_spec("mpi4py") is None:
        raise InputError("--mpi-num-processes needs mpi4py: pip install 'resnet-fixtures[mpi]'.")
    if suite.options.training.dry_run:
        LiveTerminal(config).write(launch.describe())
    elif layout.hostnames:
        from resnet_fixtures.training.mpirun import find_mpirun, refuse_unreachable_hosts

        refuse_unreachable_hosts(find_mpirun(suite.environ), layout.hostnames, suite.environ)


def make_orders(config: pytest.Config, suite: Suite, item: pytest.Item) -> Iterator[Order]:
    """Give the orders of a test's runs."""
    precision, layout = precision_of(item), layout_of(suite, item)
    assert precision is not None, "markers have checked it"
    if uses(item, TIMED):
        yield trial_order(suite, precision, parameter(item, "batch_size"), layout)
    if uses(item, CONVERGING):
        location = suite.options.data_location or make_digits(config, suite)
        for run in range(suite.options.training.mlperf_runs):
            yield convergence_order(suite, precision, layout, location, run)


def make_digits(config: pytest.Config, suite: Suite) -> Path:
    """Return the folder of the digits' records."""
    from resnet_fixtures.training.embedded_digits import EmbeddedDigits

    return EmbeddedDigits(suite.plan, suite.topology, suite.environ, LiveTerminal(config).announce).folder()


def check_folders(suite: Suite) -> None:
    """Refuse folders of a training that cannot be made or written."""
    options = suite.options.training
    for name, folder in (("--checkpoint", options.checkpoint), ("--tensorboard", options.tensorboard)):
        if folder is not None:
            check_folder(name, folder)


def split_finder(suite: Suite) -> Callable[[Path, str], Split]:
    """Return what finds a split by location and name, each once: ImageNet's 1.3 million records take a while."""
    from resnet_fixtures.data.imagenet import find_split

    @cache
    def find(location: Path, name: str) -> Split:
        known = suite.split
        return known if known and (known.location, known.name) == (location, name) else find_split(location, name)

    return find


def check_order(order: Order, find: Callable[[Path, str], Split]) -> None:
    """Refuse data that cannot be trained on, and a checkpoint that is broken or belongs to another training."""
    train = validation = None
    if order.data_location:
        train = find(order.data_location, "train")
        check_shards(order, len(train.files))
        order.recipe.steps_per_epoch(train.images)
    if not order.checkpoint or not exists(order.checkpoint):
        return
    if order.data_location and order.is_scored:
        validation = find(order.data_location, "validation")
    from resnet_fixtures.training.checkpoint import CheckpointFolder
    from resnet_fixtures.training.data_digests import DataDigests

    with CheckpointFolder(order.checkpoint) as folder:
        folder.load(order.recipe, DataDigests.of(train, validation))


def check_shards(order: Order, shards: int) -> None:
    """Refuse more processes than files: each reads files of its own."""
    if shards < order.recipe.ranks:
        raise InputError(
            f"{order.data_location} has {shards} train-*-of-* files for {order.recipe.ranks} processes: "
            "write more files, or pass a smaller --mpi-num-processes."
        )
