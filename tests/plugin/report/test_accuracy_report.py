from __future__ import annotations

import numpy as np
import pytest

from resnet_fixtures.accuracy.evaluate import Evaluation
from resnet_fixtures.accuracy.predictions import Predictions
from resnet_fixtures.report.accuracy_report import accuracy_fields, paired_sentence
from resnet_fixtures.stats.paired import compare_paired

FACTS: dict[str, object] = {
    "precision": "int8",
    "data": "imagenet",
    "graph_sha256": "ab" * 32,
    "thread_plan": {"cpus": [0, 1], "intra": 2, "quota": None},
    "isa": "avx512_vnni",
    "versions": {"tensorflow": "2.21.0", "neural-compressor-tf": None},
}


def make_evaluation(resumed_images: int = 0, first_batch_s: float | None = 0.5) -> Evaluation:
    ones = np.ones(8, np.int64)
    ranks = np.array([0, 4, 5, 0, 1000, 1, 0, 7])
    return Evaluation(Predictions(tuple("abcdefgh"), ones, ones, ranks), resumed_images, 2.0, first_batch_s)


def test_fields_have_exact_counts_and_intervals_beside_the_facts() -> None:
    """Wilson's 95 % intervals of 3 and of 5 of 8."""
    fields = accuracy_fields(make_evaluation(), FACTS)
    assert fields.pop("top1_interval") == pytest.approx([0.1368, 0.6943], abs=1e-4)
    assert fields.pop("top5_interval") == pytest.approx([0.3057, 0.8632], abs=1e-4)
    assert fields == FACTS | {
        "images": 8,
        "correct1": 3,
        "correct5": 5,
        "top1": 0.375,
        "top5": 0.625,
        "resumed_images": 0,
        "seconds": 2.0,
        "first_batch_s": 0.5,
        "images_per_s": 4.0,
    }


def test_throughput_that_was_not_measured_is_absent() -> None:
    fields = accuracy_fields(make_evaluation(resumed_images=8, first_batch_s=None), FACTS)
    assert "images_per_s" not in fields
    assert "first_batch_s" not in fields
    assert fields["resumed_images"] == 8


def test_sentence_of_a_pair_that_differs() -> None:
    a = np.array([True] * 900 + [False] * 100)
    b = np.array([True] * 870 + [False] * 125 + [True] * 5)
    assert paired_sentence("int8", "fp32", compare_paired(a, b)) == (
        "int8 and fp32 differ on 1,000 images: 30 right with int8 alone, 5 with fp32 alone; "
        "top-1 +0.0250 (+0.0132 to +0.0367 at 95 %), McNemar p = 2.24e-05."
    )


def test_sentence_of_a_pair_that_may_be_alike() -> None:
    a = np.array([True, True, False, False])
    b = np.array([True, False, True, False])
    sentence = paired_sentence("bf16", "fp32", compare_paired(a, b))
    assert sentence.startswith("bf16 and fp32 do not differ beyond chance on 4 images: 1 right with bf16 alone, 1 with")
    assert "top-1 +0.0000" in sentence
    assert sentence.endswith("McNemar p = 1.")
