"""The log of a training in MLPerf's form, for the `closed_resnet_sgd` rules of training ruleset 4.0.0.

What is logged is what the run does, whether the rules like it or not: docs/mlperf.md says where they do not.
mlperf-logging, whose lines these are, is not needed to write them: its checker reads them, and the tests compare.
"""

from __future__ import annotations

import inspect
import json
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.mlperf.entry import ABORTED, END, POINT, START, SUCCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from resnet_fixtures.mlperf.entry import Entry
    from resnet_fixtures.training.order import Order
    from resnet_fixtures.training.recipe import Recipe

MARK = ":::MLLOG "
CALL_SITE = ("file", "lineno")  # metadata that say where an entry comes from, not what it is
SOURCE = "/".join(Path(__file__).parts[-3:])
SIGNIFICANT_DIGITS = 12  # 1.0 after four drops is 0.00010000000000000002, and the rules compare with 0.0001


@dataclass(frozen=True)
class Submission:
    """Who ran it on what; `status` is cloud, onprem, preview or research, `division` closed or open.

    `cache_clear` tells whether the page cache was emptied before the run.
    """

    org: str = "not a submission"
    platform: str = field(default_factory=platform.machine)
    division: str = "closed"
    status: str = "research"
    cache_clear: bool = False


class TrainingLog:
    """Turns what happens into entries, in the order of the calls.

    `on_entry` hears each one once the run has started: until then a restored log may still take their place.

    An entry is plain JSON and occurs once: a call that the log has answered already adds nothing, so a resumed run
    makes the same calls as a fresh one. Epochs count from 1, as MLPerf's rules want it. `clock` gives seconds since
    1970.
    """

    def __init__(
        self,
        order: Order,
        on_entry: Callable[[Entry], object] = lambda entry: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._order = order
        self._on_entry = on_entry
        self._clock = clock
        self._entries: list[Entry] = []
        self._is_started = False

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return all entries so far, those of the runs that this one resumes included."""
        return tuple(self._entries)

    def initialise(self, submission: Submission | None = None) -> None:
        """Log that the process prepares itself; the clock of the score does not run yet."""
        submission = submission or Submission()
        self._add(POINT, "cache_clear", submission.cache_clear)
        self._add(START, "init_start")
        for name in ("org", "platform", "division", "status"):
            self._add(POINT, f"submission_{name}", getattr(submission, name))
        self._add(POINT, "submission_benchmark", "resnet")

    def start_run(self) -> None:
        """Start the clock of the score; MLPerf wants this before the data are touched."""
        self._add(END, "init_stop")
        self._add(START, "run_start")
        if not self._is_started:
            self._is_started = True
            for entry in self._entries:
                self._on_entry(entry)

    def describe(self, train_images: int, evaluation_images: int) -> None:
        """Log the hyperparameters and the sizes of the two sets; before `start_run` or after it."""
        for key, value in hyperparameters(self._order.recipe, train_images).items():
            self._add(POINT, key, value)
        self._add(POINT, "train_samples", train_images)
        self._add(POINT, "eval_samples", evaluation_images)

    def restore(self, entries: Iterable[Entry], step: int) -> None:
        """Go on with the log of a run that ended after `step` steps, in place of what is here; before `start_run`.

        The old entries keep their times. Where this order goes on behind the old end, that end is left out.
        """
        self._entries = list(entries)
        if not self._is_target_met():
            self._entries = [entry for entry in self._entries if entry["key"] != "run_stop"]
        if all(entry["key"] != "run_stop" for entry in self._entries):
            self._add(POINT, "resumed", step_num=step)

    def epoch_started(self, epoch: int) -> None:
        """Log an epoch, and before the first one behind an evaluation a block."""
        if self._open_block() is None:
            self._add(START, "block_start", first_epoch_num=epoch, epoch_count=self._epochs_to_evaluation(epoch))
        self._add(START, "epoch_start", epoch_num=epoch)

    def epoch_ended(self, epoch: int) -> None:
        """Log that an epoch's last step is over."""
        self._add(END, "epoch_stop", epoch_num=epoch)

    def evaluation_started(self, epoch: int) -> None:
        """Close the block and log that the validation set is scored after `epoch`."""
        block = self._open_block()
        if block is not None:
            self._add(END, "block_stop", first_epoch_num=block)
        self._add(START, "eval_start", epoch_num=epoch)

    def evaluation_ended(self, epoch: int, top1: float) -> None:
        """Log the share of images whose first guess was right."""
        self._add(POINT, "eval_accuracy", top1, epoch_num=epoch)
        self._add(END, "eval_stop", epoch_num=epoch)

    def end(self, *, is_success: bool) -> None:
        """Stop the clock; success means that the target was reached."""
        self._add(END, "run_stop", status=SUCCESS if is_success else ABORTED)

    def _is_target_met(self) -> bool:
        target = self._order.stop_threshold
        reached = [entry["value"] for entry in self._entries if entry["key"] == "eval_accuracy"]
        return target is not None and max(reached, default=0.0) >= target

    def _epochs_to_evaluation(self, epoch: int) -> int:
        between = self._order.epochs_between_evals
        return min(between - (epoch - 1) % between, self._order.train_epochs - epoch + 1)

    def _open_block(self) -> int | None:
        """Return the first epoch of the block that is not closed yet."""
        blocks = [entry for entry in self._entries if entry["key"] in {"block_start", "block_stop"}]
        is_open = bool(blocks) and blocks[-1]["key"] == "block_start"
        return int(blocks[-1]["metadata"]["first_epoch_num"]) if is_open else None

    def _add(self, kind: str, key: str, value: object = None, **metadata: object) -> None:
        if any(entry["key"] == key and _facts(entry) == metadata for entry in self._entries):
            return
        entry = {
            "namespace": "",
            "time_ms": int(self._clock() * 1000),
            "event_type": kind,
            "key": key,
            "value": value,
            "metadata": {"file": SOURCE, "lineno": _calling_line(), **metadata},
        }
        self._entries.append(entry)
        if self._is_started:
            self._on_entry(entry)


def hyperparameters(recipe: Recipe, train_images: int) -> Entry:
    """Name what the rules of `closed_resnet_sgd` ask for, and what the steps of this schedule need besides.

    The rules know a polynomial decay only, which this is not: its power is null. The end rate is the one behind the
    last drop, the decay's steps end with it, and the base rate is the one behind the warm-up.
    """
    last_drop = max((recipe.warmup_epochs, *recipe.drop_epochs))
    steps_per_epoch = recipe.steps_per_epoch(train_images)
    decay_steps = int(last_drop * steps_per_epoch)
    return {
        "seed": recipe.seed,
        "global_batch_size": recipe.global_batch,
        "gradient_accumulation_steps": 1,
        "opt_name": "sgd",
        "sgd_opt_base_learning_rate": _round(recipe.peak_learning_rate),
        "sgd_opt_end_learning_rate": _round(recipe.learning_rate(decay_steps, steps_per_epoch)),
        "sgd_opt_learning_rate_decay_poly_power": None,
        "sgd_opt_learning_rate_decay_steps": decay_steps,
        "sgd_opt_weight_decay": recipe.weight_decay,
        "sgd_opt_momentum": recipe.momentum,
        "opt_learning_rate_warmup_epochs": recipe.warmup_epochs,
        "opt_learning_rate_decay_boundary_epochs": list(recipe.drop_epochs),
        "model_bn_span": 0 if recipe.freeze_batch_norm else recipe.batch_size,  # each rank has its own statistics
        "label_smoothing": recipe.label_smoothing,
        "precision": str(recipe.precision),
    }


def format_entry(entry: Entry) -> str:
    """Write an entry as the line that MLPerf's tools read."""
    return MARK + json.dumps(entry)


def format_log(entries: Iterable[Entry]) -> str:
    """Write entries as the text of a log file."""
    return "".join(f"{format_entry(entry)}\n" for entry in entries)


def _facts(entry: Entry) -> Entry:
    return {name: value for name, value in entry["metadata"].items() if name not in CALL_SITE}


def _round(rate: float) -> float:
    return float(f"{rate:.{SIGNIFICANT_DIGITS}g}")


def _calling_line() -> int:
    """Return the line that called the function that calls this one; MLPerf's checker of seeds wants one."""
    frame = inspect.currentframe()
    for _ in range(2):
        frame = frame.f_back if frame else None
    return frame.f_lineno if frame else 0
