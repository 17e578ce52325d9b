"""The command line: every option that the suite adds to pytest, and the one value that they become."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resnet_fixtures.accuracy.published import DEFAULT_TOLERANCE
from resnet_fixtures.gate_options import GateOptions, add_gate_options, add_gate_settings, read_gate_options
from resnet_fixtures.hardware.thread_plan import ThreadRequest
from resnet_fixtures.option_values import (
    parse_batch_sizes,
    parse_cores_per_instance,
    parse_count,
    parse_cpu_dma_latency,
    parse_fraction,
    parse_positive,
    parse_seconds,
)
from resnet_fixtures.paths import exists, parse_path
from resnet_fixtures.precision import Precision
from resnet_fixtures.timing.measurement import StepBudget
from resnet_fixtures.training_options import TrainingOptions, add_training_options, read_training_options

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class GraphChoice:
    """A graph that the user gave; without a precision it is for the one that is selected."""

    path: Path
    precision: Precision | None


@dataclass(frozen=True)
class Options:
    """What the user asked for; None leaves the choice to the suite."""

    in_graphs: tuple[GraphChoice, ...]
    data_location: Path | None
    batch_sizes: tuple[int, ...] | None
    budget: StepBudget
    steps: int | None
    threads: ThreadRequest
    cores_per_instance: int | Literal["socket"] | None
    cpu_dma_latency: int | Literal["system"] | None
    accuracy_only: bool
    accuracy_tolerance: float
    resume: bool
    output_dir: Path
    output_results: bool
    training: TrainingOptions
    gate: GateOptions

    def graph_paths(self, precision: Precision, *, is_selected: bool = True) -> list[Path]:
        """Return the paths given for `precision`, each once; one without a precision is for those that are selected."""
        wanted = (precision, None) if is_selected else (precision,)
        return list(dict.fromkeys(choice.path for choice in self.in_graphs if choice.precision in wanted))


def add_options(parser: pytest.Parser) -> None:
    """Register the options; their names follow the flags of Intel's launch_benchmark.py."""
    group = parser.getgroup("resnet_fixtures", "ResNet-50 v1.5 on TensorFlow")
    group.addoption(
        "--in-graph", type=parse_graph_choice, action="append", default=[], metavar="[PRECISION=]PATH",
        help="frozen GraphDef to run instead of the embedded one; a bare path needs one selected precision",
    )  # fmt: skip
    group.addoption(
        "--data-location",
        type=parse_path,
        metavar="DIR",
        help="ImageNet as TFRecords, or a folder of JPEGs (default: dummy data)",
    )
    group.addoption(
        "--batch-size", type=parse_batch_sizes, metavar="N[,N…]",
        help="batch sizes (default 1,128; accuracy 100; each process of a training: trials 16, distributed 8, "
        "to the target 32, digits 64)",
    )  # fmt: skip
    group.addoption("--accuracy-only", action="store_true", help="run only the accuracy tests")
    group.addoption(
        "--accuracy-tolerance", type=parse_fraction, default=DEFAULT_TOLERANCE, metavar="FRACTION",
        help="how far below the published accuracy a run may end (default %(default)s)",
    )  # fmt: skip
    group.addoption("--resume", action="store_true", help="go on with an accuracy run that was interrupted")
    group.addoption(
        "--output-dir",
        type=parse_path,
        default=Path("results"),
        metavar="DIR",
        help="where logs and results go (default ./results)",
    )
    group.addoption("--output-results", action="store_true", help="write each image's filename,actual,prediction")
    _add_timing_options(group)
    _add_thread_options(group)
    add_training_options(group)
    add_gate_options(group)
    add_gate_settings(parser)


def _add_timing_options(group: pytest.OptionGroup) -> None:
    budget = StepBudget()
    group.addoption(
        "--warmup-steps",
        type=parse_positive,
        default=budget.warmup_steps,
        metavar="N",
        help="steps before the measured ones (default %(default)s)",
    )
    group.addoption(
        "--steps",
        type=parse_positive,
        metavar="N",
        help=f"measured steps (default {budget.steps}; under the gate as many of a process as teach most)",
    )
    group.addoption(
        "--max-time", type=parse_seconds, default=budget.max_time_s, metavar="SECONDS",
        help="time for one test's warm-ups and steps; fewer steps when it ends, at least 10 "
        "(default %(default)s; under the gate --gate-max-time bounds a test)",
    )  # fmt: skip


def _add_thread_options(group: pytest.OptionGroup) -> None:
    group.addoption("--socket-id", type=parse_count, metavar="N", help="use the cores of this socket only")
    group.addoption(
        "--num-cores", type=parse_positive, metavar="N", help="use so many cores (default: all physical ones)"
    )
    group.addoption(
        "--numa-cores-per-instance",
        type=parse_cores_per_instance,
        metavar="K|socket",
        help="time instances of K cores each, side by side",
    )
    for pool in ("num-intra-threads", "num-inter-threads", "data-num-intra-threads", "data-num-inter-threads"):
        group.addoption(
            f"--{pool}", type=parse_positive, metavar="N", help="threads of this pool (default: from the cores)"
        )
    group.addoption(
        "--cpu-dma-latency", type=parse_cpu_dma_latency, metavar="MICROSECONDS|system",
        help="keep cores out of sleep states that take longer to leave, as root; system leaves them alone "
        "(default: 0, so awake, on virtual machines that allow it, else system)",
    )  # fmt: skip


def read_options(config: pytest.Config) -> Options:
    """Return the options as one value."""
    get = config.getoption
    return Options(
        in_graphs=tuple(get("--in-graph")),
        data_location=get("--data-location"),
        batch_sizes=get("--batch-size"),
        budget=StepBudget(get("--warmup-steps"), get("--steps") or StepBudget.steps, get("--max-time")),
        steps=get("--steps"),
        threads=ThreadRequest(
            socket_id=get("--socket-id"),
            num_cores=get("--num-cores"),
            num_intra_threads=get("--num-intra-threads"),
            num_inter_threads=get("--num-inter-threads"),
            data_num_intra_threads=get("--data-num-intra-threads"),
            data_num_inter_threads=get("--data-num-inter-threads"),
        ),
        cores_per_instance=get("--numa-cores-per-instance"),
        cpu_dma_latency=get("--cpu-dma-latency"),
        accuracy_only=get("--accuracy-only"),
        accuracy_tolerance=get("--accuracy-tolerance"),
        resume=get("--resume"),
        output_dir=get("--output-dir"),
        output_results=get("--output-results"),
        training=read_training_options(get),
        gate=read_gate_options(get),
    )


def parse_graph_choice(text: str) -> GraphChoice:
    """Parse `[PRECISION=]PATH`; a path that itself has an equals sign is taken whole if it exists."""
    prefix, equals, path = text.partition("=")
    if not equals or exists(Path(text)):
        return GraphChoice(parse_path(text), None)
    if prefix not in {str(precision) for precision in Precision}:
        raise argparse.ArgumentTypeError(
            f"{text}: {prefix} is no precision; write {_or(Precision)} before the equals sign"
        )
    return GraphChoice(parse_path(path), Precision(prefix))


def _or(names: type[Precision]) -> str:
    *first, last = (str(name) for name in names)
    return f"{', '.join(first)} or {last}"
