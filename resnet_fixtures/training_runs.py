"""Start a training's processes and show what they tell: progress bar, log, MLPerf's log."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import RunError
from resnet_fixtures.live import LiveBar, LiveTerminal
from resnet_fixtures.mlperf.training_log import format_log
from resnet_fixtures.report.seed_log import SeedLog, open_seed_log
from resnet_fixtures.suite import SUITE, Suite
from resnet_fixtures.training.events import Begun, Evaluated, Event, Step
from resnet_fixtures.training.launch import Launch, make_launch
from resnet_fixtures.training.mpirun import find_mpirun
from resnet_fixtures.training.ranks import run_ranks
from resnet_fixtures.training.record import TrainingRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pytest

    from resnet_fixtures.training.layout import Layout
    from resnet_fixtures.training.order import Order


@dataclass(frozen=True)
class FinishedTraining:
    """What a training told, and the log that it left."""

    order: Order
    record: TrainingRecord = field(repr=False)  # a failed assertion would show each step
    log_path: Path


def run_training(request: pytest.FixtureRequest, order: Order, layout: Layout, title: str) -> FinishedTraining:
    """Train to the order's end; RunError for a rank that died, InputError for an order that was refused."""
    suite: Suite = request.config.stash[SUITE]
    live = LiveTerminal(request.config)
    is_verbose = live.is_verbose
    record = TrainingRecord(keeps_steps=order.train_steps is not None)
    with ExitStack() as stack:
        log = stack.enter_context(
            open_seed_log(
                suite.options.output_dir,
                order.recipe.precision,
                datetime.now().astimezone(),
                live.write if is_verbose else None,
                "training",
            )
        )
        bar = stack.enter_context(LiveBar(request.config, title, "steps"))
        launch = plan_launch(suite, layout)
        if is_verbose and layout.needs_mpirun:
            live.announce(launch.describe())
        events = stack.enter_context(run_ranks(launch, order, suite.environ))
        lines = LossLines(log, suite.options.training.log_every)
        try:
            follow(events, (record.add, show_training(bar), lines.update))
        finally:  # of a run that died, too
            if record.log:
                write_atomically(log.path.with_suffix(".mlperf.log"), format_log(record.log).encode())
        log.locate()
    if record.ended is None:
        raise RunError(f"The training of {title} ended without saying so: see its log {log.path}.")
    return FinishedTraining(order, record, log.path)


def plan_launch(suite: Suite, layout: Layout) -> Launch:
    """Return the command that starts the ranks; InputError where there is no mpirun, or no core for each."""
    mpirun = find_mpirun(suite.environ) if layout.needs_mpirun else None
    return make_launch(layout, suite.topology, suite.plan, mpirun, suite.environ)


def follow(events: Iterable[Event], listeners: Iterable[Callable[[Event], object]]) -> None:
    """Tell every listener every event."""
    listening = tuple(listeners)
    for event in events:
        for listener in listening:
            listener(event)


@dataclass
class LossLines:
    """Logs the first loss and every `log_every`th behind it, as the launcher's scripts do, and each evaluation."""

    log: SeedLog
    log_every: int
    seconds: float | None = field(default=None, init=False)

    def update(self, event: Event) -> None:
        """Log what the event says."""
        if isinstance(event, Evaluated):
            self.log.accuracy(event.images, event.top1, event.correct5 / event.images, None)
        if not isinstance(event, Step):
            return
        done = event.number - 1
        if self.seconds is not None:
            self.seconds += event.seconds
        if self.seconds is None or done % self.log_every == 0:
            self.log.loss(done, event.loss, self.seconds)
            self.seconds = 0.0


def show_training(bar: LiveBar) -> Callable[[Event], None]:
    """Return what shows a training's steps, loss and top-1."""
    notes: dict[str, str] = {}

    def show(event: Event) -> None:
        match event:
            case Begun():
                bar.begin(event.step, event.steps)
            case Step():
                notes["loss"] = f"{event.loss:.4f}"
                bar.advance(event.number, notes)
            case Evaluated():
                notes["top-1"] = f"{event.top1:.4f}"

    return show
