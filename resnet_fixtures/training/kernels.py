"""Proof of what a training step ran: the kernels that oneDNN executed, by their own names."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from resnet_fixtures.errors import RunError
from resnet_fixtures.graph.cache import TRAINING_SOURCES, cache_folder, cached_file, load_cached
from resnet_fixtures.inference.child import child_command, child_environment, describe_end
from resnet_fixtures.inference.kernels import list_counts, machine_key, run_with_verbose
from resnet_fixtures.inference.onednn_verbose import Kernel, count_kernels
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.order import Order
from resnet_fixtures.training.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resnet_fixtures.hardware.isa import Isa
    from resnet_fixtures.hardware.thread_plan import ThreadPlan

PASSES = 3 * 53 - 1  # forward, and back to images and weights; nobody needs the gradient of the first one's images
BATCH = 8  # the kernels of a larger batch are the same, and the proof need not wait for it


@dataclass(frozen=True)
class TrainingKernels:
    """The convolutions and matrix products of one step of ResNet-50, forward and backward, with their counts."""

    precision: Precision
    isa: Isa
    kernels: tuple[tuple[Kernel, int], ...]

    @property
    def is_precision_proven(self) -> bool:
        """Tell whether oneDNN ran them all in the precision.

        In bf16 it must have run the three passes of every convolution; TensorFlow's own kernels, which leave no trace,
        are fp32's.
        """
        found = sum(count for _, count in self.kernels)
        needed = 1 if self.precision is Precision.FP32 else PASSES
        return found >= needed and all(kernel.precision is self.precision for kernel, _ in self.kernels)

    @property
    def is_native(self) -> bool:
        """Tell whether it did, with instructions that multiply in the precision; else it is emulated."""
        return self.is_precision_proven and all(kernel.is_native(self.isa) for kernel, _ in self.kernels)

    @property
    def sentence(self) -> str:
        """Say what was found."""
        verdict = "native" if self.is_native else "emulated" if self.is_precision_proven else "not what ran"
        counts: dict[str, Counter[str]] = {}
        for kernel, count in self.kernels:
            counts.setdefault(str(kernel.precision or kernel.source_type), Counter())[kernel.implementation] += count
        parts = [f"{ran.total()} in {what} ({list_counts(ran)})" for what, ran in counts.items()]
        return (
            f"{self.precision} is {verdict} on {self.isa.model} ({self.isa.name}): of a step's convolutions and matrix "
            f"products, forward and backward, oneDNN ran {' and '.join(parts) or 'none'}."
        )

    def as_dict(self) -> dict[str, object]:
        """Give the proof as a result stores it."""
        implementations: Counter[str] = Counter()
        for kernel, count in self.kernels:
            implementations[kernel.implementation] += count
        return {
            "implementations": dict(implementations.most_common()),
            "is_precision_proven": self.is_precision_proven,
            "is_native": self.is_native,
            "sentence": self.sentence,
        }


def executed_kernels(
    precision: Precision, plan: ThreadPlan, isa: Isa, environ: Mapping[str, str], folder: Path | None = None
) -> TrainingKernels:
    """Run one step on dummies in a process of its own and return what it executed; cached in `folder`.

    A process that dies is a RunError, which is not cached.
    """
    order = Order(Recipe(precision=precision, batch_size=BATCH), plan.intra, 1, train_steps=1)
    key = {**order.recipe.as_dict(), "intra": plan.intra, **machine_key(isa, environ)}
    name = f"training_kernels_{precision}.json"

    def find() -> Path:
        run = partial(_run_step, order, plan, environ)
        return cached_file(folder or cache_folder(), name, key, run, (*TRAINING_SOURCES, "inference"))

    found = load_cached(find, lambda file: json.loads(file.read_bytes()))
    return TrainingKernels(precision, isa, tuple((Kernel(*names), count) for names, count in found))


def _run_step(order: Order, plan: ThreadPlan, environ: Mapping[str, str]) -> bytes:
    child = run_with_verbose(
        child_command("resnet_fixtures.training.worker"), f"{order.to_json()}\n", child_environment(plan, environ)
    )
    if child.returncode:
        raise RunError(f"The process that looks for kernels {describe_end(child.returncode, child.stderr)}")
    return json.dumps(count_kernels(child.stdout).most_common()).encode()
