"""Stored runs as pytest-benchmark, the gate and the accuracy tests write them, made of seeded noise."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_fixtures.gate.run_file import write_run
from resnet_fixtures.gate.samples import Entry, Metric, ProcessSample, ScoredImages
from resnet_fixtures.gate.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = datetime(2026, 3, 1, 2, 17, tzinfo=timezone.utc)
CPU = "AMD EPYC 9R14 96-Core Processor"
OTHER_CPU = "Intel(R) Xeon(R) Platinum 8488C"
SPEEDS = {"int8": (58.0, 88.0), "bf16": (31.0, 43.0), "fp32": (17.5, 22.4)}  # images/s at batch 1 and at 128
SIZES = (1, 128)
STEPS = 50
TEST = "tests/perf/test_inference.py::test_batch_inference[int8-bs128]"


def write_history(folder: Path, runs: int, seed: int = 0, sizes: tuple[int, ...] = SIZES) -> None:
    """Write one run a night: batch inference gets 6 % slower with a TensorFlow, and int8 better in the end."""
    noise = np.random.default_rng(seed)
    for night in range(runs):
        changes = {128: 0.94 if night >= 0.55 * runs else 1.0, 1: 1.04 if night >= 0.8 * runs else 1.0}
        version = "2.20.0" if night < 0.55 * runs else "2.21.0"
        benchmarks = [
            make_benchmark(precision, size, speed_of(precision, size) * changes.get(size, 1.0), noise, version)
            for precision in SPEEDS
            for size in sizes
        ]
        write_saved_run(folder, night, benchmarks)


def speed_of(precision: str, size: int) -> float:
    """Return images per second: on a line between the two known ones, over the batch size's logarithm."""
    low, high = SPEEDS[precision]
    return low + (high - low) * math.log(size) / math.log(SIZES[1])


def write_saved_run(folder: Path, night: int, benchmarks: list[dict[str, Any]], **changes: object) -> Path:
    """Write a run as pytest-benchmark saves it, with the raw rounds."""
    place = folder / "Linux-CPython-3.11-64bit"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{night + 1:04}_{night:07x}.json"
    path.write_text(json.dumps({**make_saved_run(night, benchmarks), **changes}))
    return path


def make_saved_run(night: int, benchmarks: list[dict[str, Any]]) -> dict[str, Any]:
    commit = {"id": f"{night * 7919:040x}"[::-1], "branch": "main", "dirty": False, "project": "resnet", "time": None}
    return {
        "machine_info": {"node": "perf-02", "machine": "x86_64"},
        "commit_info": commit,
        "benchmarks": benchmarks,
        "datetime": (BEGIN + timedelta(days=night)).isoformat(),
        "version": "5.3.1",
    }


def make_benchmark(
    precision: str,
    size: int,
    images_per_s: float,
    noise: np.random.Generator,
    tensorflow: str = "2.21.0",
    steps: int = STEPS,
) -> dict[str, Any]:
    """Return a benchmark: processes differ by 1 %, their steps by 2 % with a tail."""
    mode = "online" if size == 1 else "batch"
    middle_s = size / images_per_s * math.exp(noise.normal(0, 0.01))
    steps_s = middle_s * np.exp(np.abs(noise.normal(0, 0.02, steps)) + noise.exponential(0.01, steps))
    latency_s = float(np.median(steps_s))
    name = f"test_{mode}_inference[{precision}-bs{size}]"
    return {
        "name": name,
        "fullname": f"tests/perf/test_inference.py::{name}",
        "extra_info": {
            "precision": precision, "batch_size": size, "mode": mode, "data": "dummy", "steps": steps,
            "images_per_s": size / latency_s,
            "images_per_s_interval": [size / latency_s / 1.006, size / latency_s * 1.006],
            "latency_median_s": latency_s,
            **make_facts(tensorflow),
        },
        "stats": {"data": steps_s.tolist(), "median": latency_s, "min": min(steps_s), "max": max(steps_s)},
    }  # fmt: skip


def make_facts(tensorflow: str = "2.21.0", cpu: str = CPU) -> dict[str, Any]:
    """Return the facts that every result has."""
    return {
        "isa": "avx512_vnni_bf16",
        "graph_sha256": "ab" * 32,
        "thread_plan": {"cpus": [0, 1], "intra": 2, "inter": 1},
        "versions": {"python": "3.11.7", "tensorflow": tensorflow, "numpy": "2.4.6", "resnet-fixtures": "0.1.0"},
        "machine": {
            "cpu_model": cpu, "isa": "avx512_vnni_bf16", "cpus": "0-1", "cores": 2, "smt": False, "sockets": 1,
            "numa_nodes": 1, "quota": None, "memory_bytes": 16 * 2**30, "kernel": "6.1.0-18-amd64",
            "governor": "performance", "turbo": True, "idle_states": "POLL, C1, C6",
        },
        "kernels": {"sentence": "Of the graph's 53 convolutions oneDNN ran 53 in the precision.", "is_native": True},
    }  # fmt: skip


def write_gate_run(path: Path, night: int, verdict: Verdict = Verdict.PASS, tests: tuple[str, ...] = (TEST,)) -> None:
    """Write a gate's run: ten processes a test, and its verdict."""
    noise = np.random.default_rng(night)
    entries = {test: make_entry(test, noise) for test in tests}
    reason = "80.7 img/s is 0.1 % below 80.8 (allowed 1 %; 99.9 % interval -0.9 … +0.7 %; 10 and 10 processes)"
    judgements = {test: Judgement(test, verdict, reason) for test in tests}
    write_run(path, entries, judgements, BEGIN + timedelta(days=night, hours=1))


def write_baseline(path: Path) -> None:
    """Write a gate's baseline of the same test: a run without verdicts."""
    write_run(path, {TEST: make_entry(TEST, np.random.default_rng(0))}, created=BEGIN)


def make_entry(test: str, noise: np.random.Generator) -> Entry:
    """Return an int8 timing at batch 128."""
    middles_s = 128 / 80.8 * np.exp(noise.normal(0, 0.01, 10))
    samples = [ProcessSample(tuple(middle_s * np.exp(noise.normal(0, 0.02, 9)))) for middle_s in middles_s]
    facts = {"precision": "int8", "mode": "batch", "data": "dummy", **make_facts()}
    return Entry(test, Metric.IMAGES_PER_S, 128, facts, tuple(samples))


def make_accuracy_entry(ranks: tuple[int, ...]) -> Entry:
    """Return an accuracy of int8 on ImageNet."""
    facts = {"precision": "int8", "data": "imagenet", **make_facts()}
    scored = ScoredImages("cd" * 32, tuple(range(len(ranks))), ranks)
    return Entry("tests/accuracy/test_top1.py::test_int8", Metric.ACCURACY, 100, facts, scored=scored)


def write_score(
    folder: Path, precision: str, correct1: int, images: int = 50_000, data: str = "imagenet", day: int = 20
) -> Path:
    """Write what an accuracy run leaves beside its log."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"benchmark_resnet50v1_5_inference_{precision}_202603{day}_040000.json"
    share = correct1 / images
    reach = 1.96 * math.sqrt(share * (1 - share) / images)
    fields = {
        "precision": precision, "batch_size": 100, "data": data, "images": images, "correct1": correct1,
        "correct5": min(images, correct1 + images // 6), "top1": share, "top1_interval": [share - reach, share + reach],
        **make_facts(),
    }  # fmt: skip
    path.write_text(json.dumps(fields))
    return path


def write_training(folder: Path, top1: float = 0.981) -> Path:
    """Write what a training to a target leaves beside its log."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "benchmark_resnet50v1_5_training_bf16_20260321_050000.json"
    fields = {
        "precision": "bf16", "mode": "convergence", "data": "digits", "processes": 1, "target": 0.96, "top1": top1,
        "correct1": round(360 * top1), "images": 360, "reached": top1 >= 0.96, "epochs": 8, "time_to_train_s": 61.5,
        **make_facts(),
    }  # fmt: skip
    path.write_text(json.dumps(fields))
    return path
