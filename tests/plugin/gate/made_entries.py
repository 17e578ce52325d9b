"""Entries of processes whose times are drawn from a seeded normal distribution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample, ScoredImages

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Mapping, Sequence

TEST = "tests/perf/test_inference.py::test_batch_inference[int8-bs8]"
FACTS: Mapping[str, object] = {
    "precision": "int8",
    "data": "dummy",
    "graph_sha256": "aa11",
    "isa": "avx512_vnni_bf16",
    "emulated": False,
    "machine": {"cpu_model": "Xeon 8488C", "cores": 2, "smt": False, "kernel": "6.1.0"},
    "thread_plan": {"cpus": [0, 1], "intra": 2, "inter": 1, "quota": None},
    "kernels": {"implementations": {"brgconv:avx512_core_vnni": 36, "brgconv_1x1:avx512_core_vnni": 17}},
    "versions": {"python": "3.11.7", "tensorflow": "2.20.0", "numpy": "2.1.0"},
    "reference": {"kernel": "sgemm chain", "threads": 2},
}


def replace_fact(path: Sequence[str], value: object, facts: Mapping[str, object] = FACTS) -> dict[str, object]:
    """Return the facts with another value at the end of the path."""
    head, *rest = path
    inner = facts.get(head)
    return {**facts, head: replace_fact(rest, value, inner if isinstance(inner, dict) else {}) if rest else value}


def make_process(
    rng: random.Random, slower: float = 0.0, machine: float = 0.0, *, shared: float = 0.0, own: float = 0.0,
    reference: float = 0.0, follows: float = 1.0,
) -> ProcessSample:  # fmt: skip
    """Draw one process of a step of 0.1 s, all in logarithms: `slower` by its library, `machine` with its reference.

    Standard deviations: `shared` of step and reference together, `own` of the step, `reference` of the reference. The
    step changes by `follows` of what `machine` and `shared` change the reference by.
    """
    both = machine + rng.gauss(0, shared)
    step = math.log(0.1) + follows * both + slower + rng.gauss(0, own)
    return ProcessSample((math.exp(step),), (), (math.exp(math.log(0.1) + both + rng.gauss(0, reference)),))


def make_entry(
    samples: Iterable[ProcessSample],
    metric: Metric = Metric.IMAGES_PER_S,
    facts: Mapping[str, object] = FACTS,
    batch_size: int = 8,
) -> Entry:
    return Entry(TEST, metric, batch_size, facts, tuple(samples))


def time_processes(*steps_s: float, metric: Metric = Metric.IMAGES_PER_S) -> Entry:
    """One process for each time, without a reference."""
    return make_entry((ProcessSample((step_s,)) for step_s in steps_s), metric)


def score_images(ranks: Sequence[int], predictions: Sequence[int] | None = None, images: str = "ff00") -> Entry:
    """Answers to images; those that are right predict class 1, the others class 2, unless told."""
    told = tuple(predictions) if predictions is not None else tuple(1 if rank == 0 else 2 for rank in ranks)
    return Entry(TEST, Metric.ACCURACY, 100, FACTS, scored=ScoredImages(images, told, tuple(ranks)))
