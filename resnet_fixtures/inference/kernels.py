"""Proof of what ran: the kernels that oneDNN executed for a graph, by their own names."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import REFUSED, InputError, RunError
from resnet_fixtures.graph.cache import INFERENCE_SOURCES, cache_folder, cached_file, load_cached
from resnet_fixtures.hardware.isa import Isa, read_isa
from resnet_fixtures.hardware.library_environment import ONEDNN_SWITCH
from resnet_fixtures.inference import onednn_verbose
from resnet_fixtures.inference.child import (
    ChildOrder,
    child_command,
    describe_end,
    inference_environment,
)
from resnet_fixtures.inference.kernel_worker import BATCH_SIZE, CONVOLUTIONS
from resnet_fixtures.inference.onednn_verbose import Kernel, count_kernels
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resnet_fixtures.hardware.thread_plan import ThreadPlan

TIMEOUT_S = 600.0
DECIDING_VARIABLES = ("ONEDNN_", "DNNL_", "TF_")  # prefixes of what may lead to other kernels
LOGGING_VARIABLES = ("TF_CPP_",)  # prefix of what only says more or less
LARGEST_BATCH = 8  # the kernels of a larger batch are the same, and the proof need not wait for it
TOGETHER = (1, LARGEST_BATCH)  # what one process looks at, as most runs ask for both: its start takes longer than steps


@dataclass(frozen=True)
class KernelProof:
    """What one step executed: `kernels` with their counts, beside the number of convolutions that the graph has.

    The convolutions decide: they are all but 0.05 % of ResNet-50's multiplications. TensorFlow's own kernels leave no
    trace: they are fp32's, so they prove nothing for the other two.
    """

    precision: Precision
    isa: Isa
    graph_convolutions: int
    kernels: tuple[tuple[Kernel, int], ...]

    @property
    def implementations(self) -> dict[str, int]:
        """Map each implementation of a convolution or a matrix product to how often it ran."""
        counts: Counter[str] = Counter()
        for kernel, count in self.kernels:
            counts[kernel.implementation] += count
        return dict(counts.most_common())

    @property
    def is_precision_proven(self) -> bool:
        """Tell whether every convolution of the graph ran in the precision, natively or not.

        In int8 and bf16 oneDNN must have run them all; in fp32, none otherwise: TensorFlow's own kernels are fp32 too.
        """
        counts = self._convolutions()
        in_precision = counts.pop(self.precision).total()
        if self.precision is Precision.FP32:
            return self.graph_convolutions > 0 and not counts
        return 0 < self.graph_convolutions <= in_precision

    @property
    def is_native(self) -> bool:
        """Tell whether it did, and with instructions that multiply in the precision; else it is emulated."""
        decisive = [kernel for kernel, _ in self.kernels if kernel.kind == "convolution"]
        return self.is_precision_proven and all(kernel.is_native(self.isa) for kernel in decisive)

    @property
    def sentence(self) -> str:
        """Say what was found."""
        verdict = "native" if self.is_native else "emulated" if self.is_precision_proven else "not what ran"
        executed = {what: counts for what, counts in self._convolutions().items() if counts}
        parts = [f"{counts.total()} in {what} ({list_counts(counts)})" for what, counts in executed.items()]
        rest = self.graph_convolutions - sum(counts.total() for counts in executed.values())
        return (
            f"{self.precision} is {verdict} on {self.isa.model} ({self.isa.name}): "
            f"of the graph's {self.graph_convolutions} convolutions oneDNN ran {' and '.join(parts) or 'none'}"
            f"{f'; TensorFlow ran {rest} in kernels of its own' if rest > 0 else ''}."
        )

    def as_dict(self) -> dict[str, object]:
        """Give the proof as a result stores it."""
        return {
            "implementations": self.implementations,
            "is_precision_proven": self.is_precision_proven,
            "is_native": self.is_native,
            "sentence": self.sentence,
        }

    def _convolutions(self) -> dict[str, Counter[str]]:
        """Count the implementations of the convolutions for each precision, the wanted one first."""
        counts: dict[str, Counter[str]] = {self.precision: Counter()}
        for kernel, count in self.kernels:
            if kernel.kind == "convolution":
                counts.setdefault(kernel.precision or kernel.source_type, Counter())[kernel.implementation] += count
        return counts


def executed_kernels(
    graph_file: Path,
    precision: Precision,
    batch_size: int,
    plan: ThreadPlan,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> KernelProof:
    """Run one step of dummy images in a process of its own and return what it executed; cached in `folder`.

    A batch of more than LARGEST_BATCH is answered with that one's. `environ` is the user's environment; what it forbids
    to oneDNN (ONEDNN_MAX_CPU_ISA) is part of the answer. A graph that does not run here is an InputError, a process
    that dies or hangs a RunError; neither is cached.
    """
    isa, batch_size = read_isa(environ=environ), min(batch_size, LARGEST_BATCH)
    order = ChildOrder(graph_file, precision, plan, batch_size)
    sizes = TOGETHER if batch_size in TOGETHER else (batch_size,)
    key = _cache_key(order, sizes, isa, environ)
    name = f"kernels_{precision}.json"

    def find() -> Path:
        run = partial(_run_steps, order, sizes, environ)
        return cached_file(folder or cache_folder(), name, key, run, INFERENCE_SOURCES)

    found = load_cached(find, lambda file: json.loads(file.read_bytes()))
    kernels = tuple((Kernel(*names), count) for names, count in found["kernels"][str(batch_size)])
    return KernelProof(precision, isa, found["graph_convolutions"], kernels)


def _cache_key(order: ChildOrder, sizes: Sequence[int], isa: Isa, environ: Mapping[str, str]) -> dict[str, object]:
    """Name what the kernels depend on; `cached_file` adds TensorFlow's version."""
    return {
        "graph": hashlib.sha256(order.graph_file.read_bytes()).hexdigest(),
        "precision": order.precision,
        "batch_sizes": list(sizes),
        "intra": order.plan.intra,
        **machine_key(isa, environ),
    }


def machine_key(isa: Isa, environ: Mapping[str, str]) -> dict[str, object]:
    """Name what decides about kernels besides the graph: CPU, environment, and our reading of oneDNN's words."""
    return {
        "cpu": [isa.model, *sorted(isa.flags)],
        "environment": {
            name: value
            for name, value in {ONEDNN_SWITCH: "1", **environ}.items()
            if name.startswith(DECIDING_VARIABLES) and not name.startswith(LOGGING_VARIABLES)
        },
        "parser": hashlib.sha256(Path(onednn_verbose.__file__).read_bytes()).hexdigest(),
    }


def run_with_verbose(
    command: Sequence[str], order: str, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a process that reads its order and lets oneDNN say what it executes; RunError for one that hangs."""
    try:
        return subprocess.run(
            command,
            input=order,
            env={**environ, "ONEDNN_VERBOSE": "1"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"The process that looks for kernels was not done after {TIMEOUT_S:g} s.") from None


def _run_steps(order: ChildOrder, sizes: Sequence[int], environ: Mapping[str, str]) -> bytes:
    command = [*child_command("resnet_fixtures.inference.kernel_worker"), *map(str, sizes)]
    child = run_with_verbose(command, order.to_json(), inference_environment(order.plan, environ))
    if child.returncode == REFUSED:
        raise InputError(child.stderr.splitlines()[-1])
    if child.returncode:
        raise RunError(f"The process that looks for kernels {describe_end(child.returncode, child.stderr)}")
    return _summarise(child.stdout)


def _summarise(output: str) -> bytes:
    head, *steps = re.split(rf"^{BATCH_SIZE}(?=\d+$)", output, flags=re.MULTILINE)
    convolutions = next(line for line in head.splitlines() if line.startswith(CONVOLUTIONS))
    kernels = {size: count_kernels(lines).most_common() for size, _, lines in (step.partition("\n") for step in steps)}
    found = {"graph_convolutions": int(convolutions.removeprefix(CONVOLUTIONS)), "kernels": kernels}
    return json.dumps(found).encode()


def list_counts(counts: Counter[str]) -> str:
    """Say how often each implementation ran, the most frequent first."""
    return ", ".join(f"{count} {implementation}" for implementation, count in counts.most_common())
