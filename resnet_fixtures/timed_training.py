"""One timed trial of training, from the fixtures to the result."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import RunError
from resnet_fixtures.gating import find_gate
from resnet_fixtures.hardware.facts import machine_facts
from resnet_fixtures.markers import replay_clock
from resnet_fixtures.report.result_file import write_result
from resnet_fixtures.suite import RESULT, SUITE, Suite
from resnet_fixtures.timing.benchmark_adaptor import record, refuse_second_timing
from resnet_fixtures.timing.measurement import MIN_WARMUP_STEPS, Measurement
from resnet_fixtures.timing.replay import replay
from resnet_fixtures.training.digits import DIGITS_ARCHITECTURE
from resnet_fixtures.training.kernels import TrainingKernels, executed_kernels
from resnet_fixtures.training.record import LossTrend, loss_trend
from resnet_fixtures.training_orders import ALONE, DEFAULT_RANKS, MIN_TRIAL_STEPS, make_layout, trial_order
from resnet_fixtures.training_runs import FinishedTraining, run_training
from resnet_fixtures.versions import result_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from resnet_fixtures.precision import Precision
    from resnet_fixtures.training.events import Step
    from resnet_fixtures.training.layout import Layout
    from resnet_fixtures.training.order import Order


@dataclass(frozen=True)
class TrainingTrial:
    """The times of a trial's steps, and where its loss went."""

    measurement: Measurement
    trend: LossTrend


@dataclass(frozen=True)
class TimedTraining:
    """Trains some steps in processes of their own, writes log and result, and returns times and losses.

    The batch size is each process'; throughput counts the images of all.
    """

    request: pytest.FixtureRequest
    benchmark: Any
    precision: Precision
    batch_size: int

    def __call__(self, layout: Layout = ALONE) -> TrainingTrial:
        """Train on so many processes; RunError for too few steps to time."""
        refuse_second_timing(self.benchmark, self.request.node.nodeid)
        clock = replay_clock(self.request.node)
        kernels = {"kernels": self.kernels.as_dict()}  # looked for before anything is timed
        self.benchmark.group = f"training-{self.precision}-bs{self.batch_size}"
        order = trial_order(self._suite, self.precision, self.batch_size, layout)
        title = f"{self.precision} training, {layout.processes} x {self.batch_size} images"
        training = run_training(self.request, order, layout, title)
        first = measure_steps(training)
        measurement, gated = self._sample_under_gate(
            first, order, layout, title, {**self._facts(training, layout), **kernels}
        )
        trend = loss_trend(step.loss for step in training.record.steps)
        assert trend is not None, "measure_steps has counted the steps"
        replay(self.benchmark, clock, measurement.steps_s)
        self._record(training, layout, measurement, {**kernels, **loss_fields(trend), **gated})
        return TrainingTrial(measurement, trend)

    @cached_property
    def kernels(self) -> TrainingKernels:
        """Proof of the kernels that a step runs, found in a process of its own."""
        return executed_kernels(self.precision, self._suite.plan, self._suite.isa, self._suite.environ)

    @property
    def distributed_layout(self) -> Layout:
        """Return the processes that the options ask for, two where they do not."""
        return make_layout(self._suite.options.training, DEFAULT_RANKS)

    @property
    def _suite(self) -> Suite:
        return self.request.config.stash[SUITE]

    def _facts(self, training: FinishedTraining, layout: Layout) -> dict[str, object]:
        return {**training_facts(self._suite, training, layout), "mode": "training"}

    def _sample_under_gate(
        self, first: Measurement, order: Order, layout: Layout, title: str, facts: Mapping[str, object]
    ) -> tuple[Measurement, dict[str, object]]:
        gate = find_gate(self.request.config)
        if gate is None:
            return first, {}
        from resnet_fixtures.gated_training import sample_trainings

        again = replace(order, checkpoint=None)  # a trial that went on from a checkpoint would have no steps left
        return sample_trainings(
            gate,
            self.request.node,
            first,
            lambda: measure_steps(run_training(self.request, again, layout, title)),
            facts,
        )

    def _record(
        self, training: FinishedTraining, layout: Layout, measurement: Measurement, more: Mapping[str, object]
    ) -> None:
        steps = training.record.steps[len(measure_steps(training).warmup_s) :]
        facts = {
            **self._facts(training, layout),
            **more,
            "input_share": share_of_step([step.input_s for step in steps], steps),
            "communication_share": share_of_step([step.communication_s for step in steps], steps),
        }
        record(self.benchmark, measurement, facts)
        # A batch is each process', as in the test's id; only the throughput counts them all.
        self.benchmark.extra_info["batch_size"] = self.batch_size
        fields = dict(self.benchmark.extra_info)
        write_result(training.log_path, fields)
        self.request.node.stash[RESULT] = fields
        for name in ("images_per_s", "latency_median_s", "loss_first", "loss_last"):
            self.request.node.user_properties.append((name, fields[name]))


def loss_fields(trend: LossTrend) -> dict[str, object]:
    """Name where the loss went as the result file does."""
    return {"loss_first": trend.first, "loss_last": trend.last}


def training_facts(suite: Suite, training: FinishedTraining, layout: Layout) -> dict[str, object]:
    """Name what was trained, on what and by what, as the result file does."""
    recipe, begun = training.order.recipe, training.record.begun
    return {
        "precision": str(recipe.precision),
        "batch_size": recipe.batch_size,
        "processes": layout.processes,
        "data": name_data(training.order),
        **(begun.digests if begun else {}),
        "recipe": recipe.as_dict(),
        "thread_plan": suite.plan.as_dict(),
        "rank_threads": training.order.threads,
        "isa": suite.isa.name,
        "emulated": not suite.isa.is_native(recipe.precision),
        "versions": result_versions(),
        "machine": machine_facts(suite.topology, suite.isa),
        "log": str(training.log_path),
        **({"checkpoint": training.record.checkpoint} if training.record.checkpoint else {}),
    }


def name_data(order: Order) -> str:
    """Name the data as the result file does."""
    if order.data_location is None:
        return "dummy"
    return "digits" if order.recipe.architecture == DIGITS_ARCHITECTURE else "imagenet"


def measure_steps(training: FinishedTraining) -> Measurement:
    """Keep the first steps apart as warm-ups, a tenth of all but at least three; RunError for too few steps."""
    steps = training.record.steps
    warmups = max(MIN_WARMUP_STEPS, len(steps) // 10)
    if len(steps) < MIN_TRIAL_STEPS:
        raise RunError(
            f"The trial had {len(steps)} steps to do, and {MIN_TRIAL_STEPS} are needed to time it: "
            "pass a larger --train-steps, or a --checkpoint that is not done yet."
        )
    seconds = [step.seconds for step in steps]
    return Measurement(
        training.order.recipe.global_batch,
        tuple(seconds[:warmups]),
        tuple(seconds[warmups:]),
        describe_cut_trial(training),
    )


def describe_cut_trial(training: FinishedTraining) -> str | None:
    """Say in a sentence what --max-time cut; None where it cut nothing."""
    done, wanted = len(training.record.steps), training.order.train_steps or 0
    begun = training.record.begun
    if done + (begun.step if begun else 0) >= wanted:
        return None
    cut = f"--max-time {training.order.max_time_s:g} s cut the steps from {wanted} to {done}"
    return f"{cut}: raise it, or pass --train-steps, to run them all."


def share_of_step(part_s: Sequence[float], steps: Sequence[Step]) -> float:
    """Return the median part of a step's time, from 0 to 1."""
    return statistics.median(part / step.seconds for part, step in zip(part_s, steps, strict=True))
