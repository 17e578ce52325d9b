"""The closing section of a run: one line for each result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from resnet_fixtures.report.accuracy_report import paired_sentence
from resnet_fixtures.stats.paired import compare_paired

Result = Mapping[str, Any]


def performance_lines(results: Sequence[Result]) -> list[str]:
    """Say each timing: throughput, latency, percentiles that the sample carries, what was cut, and the kernels."""
    lines = []
    for result in results:
        sample = f"{result['steps']} steps after {result['warmup_steps']} warm-ups"
        lines.append(f"{_name(result)}: {describe_throughput(result)}, {describe_latency(result)}, {sample}")
        lines.extend(f"    {note}" for note in _notes(result))
    return [*lines, *_inputs(results)]


def _inputs(results: Sequence[Result]) -> list[str]:
    """Say what ran on what, once for all."""
    graphs = dict.fromkeys(f"{result['precision']} {result['graph']}" for result in results)
    images = dict.fromkeys(result["data"] for result in results)
    return [f"graphs: {', '.join(graphs)}; images: {', '.join(images)}"] if results else []


def accuracy_lines(results: Sequence[Result]) -> list[str]:
    """Say each score with its exact counts and 95 % interval."""
    return [
        f"{_name(result)}: top-1 {_score(result, 1)}, top-5 {_score(result, 5)} "
        f"of {result['images']} images of {result['data']}"
        for result in results
    ]


def paired_lines(results: Sequence[Result]) -> list[str]:
    """Say for each two precisions that scored the same images whether they really differ, once for all batch sizes."""
    first: dict[tuple[str, str], Result] = {}
    for result in results:
        first.setdefault((result["images_digest"], result["precision"]), result)
    return [
        paired_sentence(str(a["precision"]), str(b["precision"]), compare_paired(unpack_hits(a), unpack_hits(b)))
        for a, b in combinations(first.values(), 2)
        if a["images_digest"] == b["images_digest"] and a["precision"] != b["precision"]
    ]


def pack_hits(hits: np.ndarray[Any, np.dtype[np.bool_]]) -> str:
    """Return one bit for each image as hexadecimal text, for a trip through JSON."""
    return np.packbits(hits).tobytes().hex()


def unpack_hits(result: Result) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return the top-1 hits [images] that `pack_hits` packed."""
    packed = np.frombuffer(bytes.fromhex(result["hits1"]), np.uint8)
    return np.unpackbits(packed, count=result["images"]).astype(bool)


def _name(result: Result) -> str:
    return f"{result['precision']} bs{result['batch_size']}"


def describe_throughput(result: Result) -> str:
    """Say images per second and their interval."""
    return f"{result['images_per_s']:.1f} images/s{_between(result.get('images_per_s_interval'), 1, '.1f')}"


def describe_latency(result: Result) -> str:
    """Say the median step, its interval, and the percentiles that the sample carries."""
    interval = _between(result.get("latency_median_interval_s"), 1000, ".2f")
    text = f"median {result['latency_median_s'] * 1000:.2f} ms{interval}"
    for percentile in ("p90", "p99"):
        if f"latency_{percentile}_s" in result:
            upper_s = result.get(f"latency_{percentile}_upper_s")
            bound = f" (at most {upper_s * 1000:.2f})" if upper_s else ""
            text += f", {percentile} {result[f'latency_{percentile}_s'] * 1000:.2f} ms{bound}"
    return text


def _notes(result: Result) -> list[str]:
    notes = [result["cut"]] if "cut" in result else []
    notes.append(result["kernels"]["sentence"])
    if "pipeline_images_per_s" in result:
        notes.append(
            f"The input pipeline alone gives {result['pipeline_images_per_s']:.1f} images/s on the same cores."
        )
    notes.extend(_instance(number, instance) for number, instance in enumerate(result.get("instances", ())))
    if result.get("idle_cpus"):
        notes.append(f"CPUs {', '.join(map(str, result['idle_cpus']))} were left idle: no instance fits on them.")
    return notes


def _instance(number: int, instance: Result) -> str:
    cpus = ", ".join(map(str, instance["cpus"]))
    latency = f"median {instance['latency_median_s'] * 1000:.2f} ms"
    return f"Instance {number} on CPUs {cpus}: {instance['images_per_s']:.1f} images/s, {latency}"


def _between(interval: Sequence[float] | None, factor: float, form: str) -> str:
    return f" [{interval[0] * factor:{form}}, {interval[1] * factor:{form}}]" if interval else ""


def _score(result: Result, k: int) -> str:
    return f"{result[f'top{k}']:.4f}{_between(result[f'top{k}_interval'], 1, '.4f')} ({result[f'correct{k}']})"
