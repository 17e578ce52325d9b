"""Entries, and files of pytest-benchmark, for the tests of what is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample, ScoredImages

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FACTS: dict[str, Any] = {
    "precision": "int8",
    "mode": "online",
    "batch_size": 1,
    "data": "dummy",
    "graph_sha256": "ab12",
    "thread_plan": {"cpus": [0, 1], "intra": 2, "inter": 1, "quota": None},
    "isa": "avx512_vnni",
    "versions": {"python": "3.11.7", "tensorflow": "2.21.0"},
    "kernels": {"implementations": {"brgconv:avx512_core_vnni": 53}, "is_native": True},
    "emulated": False,
    "machine": {"cpu_model": "Imaginary 9000", "cores": 2, "smt": False, "memory_bytes": 8 << 30},
}
ONLINE = "tests/perf/test_inference.py::test_online_inference[int8-bs1]"
BATCH = "tests/perf/test_inference.py::test_batch_inference[int8-bs8]"
SCORED = "tests/accuracy/test_digits.py::test_accuracy[int8]"


def make_timing(test: str = ONLINE, step_s: float = 0.025, processes: int = 5) -> Entry:
    """Make an entry whose processes differ by a few per mille."""
    samples = tuple(
        ProcessSample((step_s * (1 + number / 1000),) * 3, (0.03, step_s), (0.01, 0.011, 0.012))
        for number in range(processes)
    )
    return Entry(test, Metric.LATENCY_S, 1, FACTS, samples)


def make_accuracy(ranks: Sequence[int] = (0, 3, 7, 0)) -> Entry:
    """Make an entry with a rank for each image."""
    scored = ScoredImages("f00d", tuple(range(len(ranks))), tuple(ranks))
    return Entry(SCORED, Metric.ACCURACY, 100, FACTS, scored=scored)


def make_benchmark(test: str = ONLINE, step_s: float | None = 0.025, **fields: Any) -> dict[str, Any]:
    """Make a benchmark as pytest-benchmark stores it; without `step_s` it has its median alone, 0.025."""
    stats = {"median": 0.025, "rounds": 3}
    raw = {} if step_s is None else {"data": [step_s, step_s, 2 * step_s]}
    mode = "online" if test == ONLINE else "batch"
    extra_info = {
        **FACTS,
        "mode": mode,
        "batch_size": 1 if test == ONLINE else 8,
        "warmup_s": [0.5],
        "images_per_s": 40.0,
        "log": "/x.log",
        **fields,
    }
    return {"fullname": test, "name": test.rpartition("::")[2], "stats": {**stats, **raw}, "extra_info": extra_info}


def make_saved(*benchmarks: dict[str, Any], day: int = 1) -> dict[str, Any]:
    """Make the content of a run that was saved on a day of November."""
    when = f"2026-11-{day:02}T02:00:00.123456+00:00"
    return {"machine_info": {}, "benchmarks": list(benchmarks), "datetime": when, "version": "5.2.0"}


def save(path: Path, content: object) -> Path:
    """Write JSON as pytest-benchmark does, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4))
    return path
