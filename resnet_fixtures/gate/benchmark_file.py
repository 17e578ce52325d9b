"""Read the timings of this suite from a file that pytest-benchmark has saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.json_file import damaged
from resnet_fixtures.gate.run_file import is_test_id, is_whole, parse_seconds
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample
from resnet_fixtures.gate.verdict import GREEN, Verdict
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

METRICS = {"online": Metric.LATENCY_S, "batch": Metric.IMAGES_PER_S, "training": Metric.IMAGES_PER_S}  # by mode
PRECISIONS = tuple(map(str, Precision))
PROCESSES = "gate_process_medians_s"  # of a run under the gate, whose rounds are those of several processes
FACTS = (
    "precision", "mode", "batch_size", "data", "graph_sha256", "thread_plan", "isa", "versions", "kernels", "emulated",
    "machine", "processes", "recipe", "rank_threads", "instances", "train_digest",
)  # fmt: skip


@dataclass(frozen=True)
class SavedTest:
    """One test of one saved run: a sample, or one for each process of a run under the gate.

    `is_raw` tells whether nothing is missing for want of --benchmark-save-data, `is_green` that no gate said otherwise.
    """

    saved: datetime
    entry: Entry
    is_raw: bool
    is_green: bool = True


def is_benchmarks(content: object) -> bool:
    """Tell whether a file's content is pytest-benchmark's."""
    return isinstance(content, dict) and isinstance(content.get("benchmarks"), list)


def parse_benchmarks(path: Path, content: Any) -> list[SavedTest]:
    """Take this suite's tests out of a file's content, and pass over others; `path` is for the InputError."""
    if not is_benchmarks(content):
        raise InputError(f"{path} is not pytest-benchmark's: pass a file that --benchmark-json or a saved run wrote.")
    ours = [benchmark for benchmark in content["benchmarks"] if is_ours(benchmark)]
    try:
        saved = parse_time(content["datetime"]) if ours else None
        return [_parse_test(saved, benchmark) for benchmark in ours if saved]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise damaged(path, reason) from error


def parse_time(text: object) -> datetime:
    """Parse an ISO time; one without a zone is UTC's, as pytest-benchmark used to write it. Else a ValueError."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is no time")
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))  # Python 3.10 does not know Z
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def is_ours(benchmark: object) -> bool:
    """Tell this suite's benchmarks from others by their result fields."""
    fields = benchmark.get("extra_info") if isinstance(benchmark, dict) else None
    return (
        isinstance(fields, dict)
        and fields.get("precision") in PRECISIONS
        and fields.get("mode") in tuple(METRICS)
        and is_whole(fields.get("batch_size"))
        and fields["batch_size"] > 0
        and isinstance(fields.get("thread_plan"), dict)
    )


def _parse_test(saved: datetime, benchmark: Mapping[str, Any]) -> SavedTest:
    test, fields, stats = benchmark["fullname"], benchmark["extra_info"], benchmark["stats"]
    if not is_test_id(test) or not isinstance(stats, dict):
        raise TypeError("a test has no name or no stats")
    samples = parse_samples(fields, stats)
    if not samples:
        raise ValueError(f"{PROCESSES} is empty")
    images = fields["batch_size"] * count_batches(fields)
    entry = Entry(test, METRICS[fields["mode"]], images, select_facts(fields), samples)
    is_raw = bool(stats.get("data")) or PROCESSES in fields
    return SavedTest(saved, entry, is_raw, is_green="gate" not in fields or Verdict(fields["gate"]["verdict"]) in GREEN)


def parse_samples(fields: Mapping[str, Any], stats: Mapping[str, Any]) -> tuple[ProcessSample, ...]:
    """Take each process' median of a run under the gate, else the rounds, else their median where none were saved."""
    if PROCESSES in fields:
        return tuple(ProcessSample((median_s,)) for median_s in parse_seconds(fields[PROCESSES]))
    steps_s = stats.get("data") or [stats["median"]]
    return (ProcessSample(parse_seconds(steps_s), parse_seconds(fields.get("warmup_s", []))),)


def count_batches(fields: Mapping[str, Any]) -> int:
    """Count the batches of a round: each rank of a training has one, and so has each of several instances."""
    batches = len(fields["instances"]) if "instances" in fields else fields.get("processes", 1)
    if not is_whole(batches) or batches == 0:
        raise ValueError("processes or instances are no number of processes")
    return int(batches)


def select_facts(fields: Mapping[str, Any]) -> dict[str, object]:
    """Take what a test ran by and on from its result fields; of the instances, their CPUs."""
    facts = {name: fields[name] for name in FACTS if name in fields}
    if "instances" in facts:
        facts["instances"] = [{"cpus": instance["cpus"]} for instance in facts["instances"]]
    return facts
