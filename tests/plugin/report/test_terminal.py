from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resnet_fixtures.report.terminal import accuracy_lines, pack_hits, paired_lines, performance_lines, unpack_hits

TIMING: dict[str, Any] = {
    "precision": "int8", "batch_size": 1, "images_per_s": 41.26, "images_per_s_interval": [40.0, 42.5],
    "latency_median_s": 0.02424, "latency_median_interval_s": [0.0235, 0.025], "steps": 50, "warmup_steps": 10,
    "kernels": {"sentence": "int8 is native."}, "graph": "embedded", "data": "dummy",
}  # fmt: skip
SCORE: dict[str, Any] = {
    "precision": "fp32", "batch_size": 100, "images": 360, "data": "digits", "top1": 0.975, "correct1": 351,
    "top1_interval": [0.9532, 0.9868], "top5": 1.0, "correct5": 360, "top5_interval": [0.9894, 1.0],
}  # fmt: skip


def score(precision: str, hits: list[bool], digest: str = "d") -> dict[str, Any]:
    return {"precision": precision, "images": len(hits), "images_digest": digest, "hits1": pack_hits(np.array(hits))}


def test_timing_in_one_line_and_its_kernels() -> None:
    assert performance_lines([TIMING]) == [
        "int8 bs1: 41.3 images/s [40.0, 42.5], median 24.24 ms [23.50, 25.00], 50 steps after 10 warm-ups",
        "    int8 is native.",
        "graphs: int8 embedded; images: dummy",
    ]


def test_graphs_and_images_are_told_once() -> None:
    other = {**TIMING, "precision": "fp32", "graph": "a.pb", "data": "imagenet"}
    assert performance_lines([TIMING, TIMING, other])[-1] == "graphs: int8 embedded, fp32 a.pb; images: dummy, imagenet"
    assert performance_lines([]) == []


def test_intervals_that_the_sample_does_not_carry_are_left_out() -> None:
    short = {name: value for name, value in TIMING.items() if not name.endswith("_interval")}
    short.pop("latency_median_interval_s")
    assert performance_lines([short])[0] == ("int8 bs1: 41.3 images/s, median 24.24 ms, 50 steps after 10 warm-ups")


def test_percentiles_with_their_upper_bounds() -> None:
    more = {"latency_p90_s": 0.03, "latency_p90_upper_s": 0.0345}
    assert ", p90 30.00 ms (at most 34.50), 50 steps" in performance_lines([{**TIMING, **more}])[0]


def test_notes() -> None:
    instances = [
        {"cpus": [0, 1], "images_per_s": 20.0, "latency_median_s": 0.05, "steps": 50},
        {"cpus": [2, 3], "images_per_s": 21.5, "latency_median_s": 0.0465, "steps": 51},
    ]
    more = {"cut": "cut.", "pipeline_images_per_s": 812.4, "instances": instances, "idle_cpus": [4, 5]}
    assert performance_lines([{**TIMING, **more}])[1:-1] == [
        "    cut.",
        "    int8 is native.",
        "    The input pipeline alone gives 812.4 images/s on the same cores.",
        "    Instance 0 on CPUs 0, 1: 20.0 images/s, median 50.00 ms",
        "    Instance 1 on CPUs 2, 3: 21.5 images/s, median 46.50 ms",
        "    CPUs 4, 5 were left idle: no instance fits on them.",
    ]


def test_score_with_counts_and_intervals() -> None:
    assert accuracy_lines([SCORE]) == [
        "fp32 bs100: top-1 0.9750 [0.9532, 0.9868] (351), top-5 1.0000 [0.9894, 1.0000] (360) of 360 images of digits"
    ]


def test_each_pair_of_precisions_over_the_same_images() -> None:
    a, b, c = score("int8", [True] * 8), score("fp32", [False] * 8), score("bf16", [True] * 8, digest="other")
    (line,) = paired_lines([a, b, c])
    assert line.startswith("int8 and fp32 differ on 8 images: 8 right with int8 alone, 0 with fp32 alone; ")


def test_pair_is_told_once_whatever_the_batch_sizes() -> None:
    a, b, again = score("int8", [True, False]), score("fp32", [True, True]), score("int8", [True, True])
    assert paired_lines([a, b, again, b]) == paired_lines([a, b])


def test_one_precision_twice_is_no_pair() -> None:
    assert paired_lines([score("int8", [True, False]), score("int8", [False, True])]) == []


@pytest.mark.parametrize("images", [1, 7, 8, 9, 1000])
def test_hits_survive_the_packing(images: int) -> None:
    hits = np.random.default_rng(images).random(images) < 0.5
    assert unpack_hits({"images": images, "hits1": pack_hits(hits)}).tolist() == hits.tolist()
