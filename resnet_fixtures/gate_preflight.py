"""Make the gate ready: baseline, rules, the tests that are missing, and the other side of --against."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.fixture_use import uses
from resnet_fixtures.gate_options import GateMode
from resnet_fixtures.gating import GATE, Gate, tolerance_fact
from resnet_fixtures.live import LiveTerminal
from resnet_fixtures.markers import MEASURING_FIXTURES, TRAINING_FIXTURES, runnable, selected_precisions
from resnet_fixtures.output_folder import check_folder
from resnet_fixtures.paths import exists
from resnet_fixtures.suite import SUITE, is_distributed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from resnet_fixtures.gate.judge import Rules
    from resnet_fixtures.gate.samples import Entry

TIMED_FIXTURES = ("timed_inference", *TRAINING_FIXTURES)  # chance moves what they measure


def is_judged(item: pytest.Item) -> bool:
    """Tell whether the gate judges a test."""
    return any(uses(item, name) for name in MEASURING_FIXTURES)


def is_left_out(item: pytest.Item) -> bool:
    """Tell whether --benchmark-only, which the user asked for, skips a test."""
    return item.config.getoption("benchmark_only", False) and "benchmark" not in getattr(item, "fixturenames", ())


def check_gate_combinations(config: pytest.Config) -> None:
    """Refuse the gate together with what leaves nothing to judge, or what it does not judge."""
    options = config.stash[SUITE].options
    mode = options.gate.mode
    _refuse_idle_options(config, mode)
    if mode is GateMode.OFF:
        return
    if is_distributed(config):
        raise InputError(f"{mode.value} times and -n runs tests side by side: leave -n out.")
    for name in ("benchmark_disable", "benchmark_skip"):
        if config.getoption(name, False):
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{mode.value} judges what is measured and {flag} measures nothing: leave it out.")
    if options.cores_per_instance is not None:
        raise InputError(f"{mode.value} judges one process at a time: leave --numa-cores-per-instance out.")


def _refuse_idle_options(config: pytest.Config, mode: GateMode) -> None:
    """Refuse what would do nothing on the command line: whoever forgot --gate would take a run for judged.

    In the addopts of pytest.ini it stands ready for the runs with a gate.
    """
    given = {str(argument).partition("=")[0] for argument in config.invocation_params.args}
    if mode is GateMode.OFF:
        for option in sorted(given & {"--gate-baseline", "--gate-max-time", "--gate-inconclusive"}):
            raise InputError(f"{option} says how the gate judges, and it is off: pass --gate or --gate-update too.")
    if mode is GateMode.AGAINST and "--gate-baseline" in given:
        raise InputError("--against judges by its other side: leave --gate-baseline out.")


def make_gate(config: pytest.Config) -> Gate:
    """Return the run's gate with its baseline; InputError for a baseline that cannot be used."""
    from resnet_fixtures.gate.baseline import default_baseline_path, read_baseline
    from resnet_fixtures.gate.run_file import read_run

    options = config.stash[SUITE].options.gate
    path = options.baseline or default_baseline_path(config.getoption("benchmark_storage"))
    baseline: dict[str, Entry] = {}
    if options.mode is GateMode.JUDGE:
        if not exists(path):
            raise InputError(f"--gate has no baseline in {path}: run once with --gate-update.")
        baseline = read_baseline(path, LiveTerminal(config).announce)
    elif options.mode is GateMode.UPDATE:  # what could not be updated is refused before anything is measured
        check_folder(
            "--gate-baseline" if options.baseline else "--benchmark-storage", Path(os.path.realpath(path)).parent
        )
        baseline = read_run(path) if exists(path) else {}
    return Gate(options, make_rules(config), path, baseline)


def make_rules(config: pytest.Config) -> Rules:
    """Return the rules with the tolerances of pytest.ini; InputError for one that cannot be read."""
    from resnet_fixtures.gate.judge import Rules
    from resnet_fixtures.gate.tolerance import collect_tolerances, parse_metric_tolerance

    try:
        return Rules(collect_tolerances(map(parse_metric_tolerance, config.getini("gate_tolerance"))))
    except argparse.ArgumentTypeError as error:
        raise InputError(f"gate_tolerance of {config.inipath or 'the command line'}: {error}.") from None


def find_missing(config: pytest.Config, gate: Gate, collected: set[str]) -> list[str]:
    """Return the baseline's tests that this run should have collected and did not: renamed, moved or removed."""
    missing = (entry for test, entry in gate.baseline.items() if test not in collected)
    return [
        entry.test
        for entry in missing
        if _is_asked_for(config, entry) and not _may_be_hidden(config, entry.test, collected)
    ]


def is_gone(config: pytest.Config, test: str, collected: set[str]) -> bool:
    """Tell a test that is no more from one that was hidden: its file is not there, or gave other tests."""
    file = test.partition("::")[0]
    return not exists(config.rootpath / file) or _has_tests(file, collected)


def _has_tests(file: str, collected: set[str]) -> bool:
    return any(test.startswith(f"{file}::") for test in collected)


def _may_be_hidden(config: pytest.Config, test: str, collected: set[str]) -> bool:
    """Tell whether a test's file is there, and --lf or --ignore may have kept the test from being collected."""
    file = test.partition("::")[0]
    if not exists(config.rootpath / file):
        return False
    if config.getoption("lf", False):
        return True
    is_ignoring = config.getoption("ignore", None) or config.getoption("ignore_glob", None)
    return bool(is_ignoring) and not _has_tests(file, collected)


def _is_asked_for(config: pytest.Config, entry: Entry) -> bool:
    """Tell whether a test lies in the places that pytest was pointed at, and has one of the batch sizes asked for."""
    sizes = config.stash[SUITE].options.batch_sizes
    if sizes and entry.facts.get("batch_size", entry.batch_size) not in sizes:
        return False
    file, _, name = entry.test.partition("::")
    path = Path(os.path.normpath(config.rootpath / file))
    return any(_leads_to(config.invocation_params.dir, argument, path, name) for argument in config.args)


def _leads_to(folder: Path, argument: str, path: Path, name: str) -> bool:
    """Tell whether an argument of pytest's, said in a folder, takes in a test: its path, and its name if it has one."""
    place, _, wanted = argument.partition("::")
    if not path.is_relative_to(os.path.normpath(folder / place)):
        return False
    return not wanted or name == wanted or name.startswith((f"{wanted}[", f"{wanted}::"))


class MissingTest(pytest.Item):
    """Stands for a test of the baseline that was not collected, and fails under its name."""

    def __init__(self, name: str, gate: Gate, **arguments: Any) -> None:
        super().__init__(name, nodeid=name, **arguments)
        self._gate = gate
        gate.judge_unmeasured(name)

    def runtest(self) -> None:
        """Fail."""
        self._gate.fail_unless_green(self.nodeid)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the test would be."""
        return Path(self.nodeid.partition("::")[0]), None, self.nodeid


def make_gate_ready(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Count the tests that are judged together; with --against look at the other side, and skip all but inference."""
    gate = config.stash[GATE]
    judged = [item for item in runnable(items) if is_judged(item)]
    timed = [item for item in judged if any(uses(item, name) for name in TIMED_FIXTURES)]
    for item in judged:
        check_tolerance(item, is_timed=item in timed)
    gate.rules = replace(gate.rules, tests=max(1, len(timed)))
    if gate.options.mode is GateMode.AGAINST:
        check_other_side(gate, items)


def check_tolerance(item: pytest.Item, *, is_timed: bool) -> None:
    """Refuse a marker that says something else than a tolerance of what the test measures."""
    from resnet_fixtures.gate.judge import TOLERANCE_FACT
    from resnet_fixtures.gate.samples import Metric
    from resnet_fixtures.gate.tolerance import check_unit, parse_tolerance

    text = tolerance_fact(item).get(TOLERANCE_FACT)
    if text is None:
        return
    try:
        check_unit(Metric.IMAGES_PER_S if is_timed else Metric.ACCURACY, parse_tolerance(text))
    except (argparse.ArgumentTypeError, ValueError) as error:
        raise InputError(f"{item.nodeid}: gate(tolerance={text!r}): {error}.") from None


def check_other_side(gate: Gate, items: Iterable[pytest.Item]) -> None:
    """Refuse an interpreter or a graph that could not run; skip what --against does not compare."""
    from resnet_fixtures.gate.other_python import check_interpreter

    names = []
    if gate.options.against_python:
        versions = check_interpreter(gate.options.against_python)
        described = ", ".join(f"{name} {version}" for name, version in versions.items())
        names.append(f"{gate.options.against_python} ({described})")
    for item in runnable(items):
        if not uses(item, "timed_inference"):
            item.add_marker(pytest.mark.skip(reason="--against compares the times of inference alone"))
    if gate.options.against_graph:
        _check_other_graph(gate.options.against_graph, items)
        names.append(str(gate.options.against_graph))
    gate.against = f"against {' with '.join(names)}"


def _check_other_graph(path: Path, items: Iterable[pytest.Item]) -> None:
    from resnet_fixtures.graph.frozen import WrongPrecisionError, load_frozen_graph

    precisions = selected_precisions(items)
    if len(precisions) > 1:
        names = ", ".join(map(str, precisions))
        raise InputError(f"--against-graph {path} has one precision, and {names} are selected: select one with -m.")
    try:
        for precision in precisions:
            load_frozen_graph(path, precision)
    except WrongPrecisionError as error:
        found = f"computes in {error.found}, and {precisions[0]} is selected"
        raise InputError(f"--against-graph {path} {found}: select {error.found} with -m.") from error
    except InputError as error:
        raise InputError(f"--against-graph: {str(error).removeprefix('--in-graph ')}") from error
