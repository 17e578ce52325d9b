"""Top-1 of the embedded digits model: reader, graphs, quantization and scoring of ImageNet, on data that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.accuracy.evaluate import evaluate
from resnet_fixtures.accuracy.verdict import judge_against
from resnet_fixtures.data.imagenet import LabelledImages, find_split
from resnet_fixtures.data.preprocess import Preprocessing
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.digits import DIGITS_ARCHITECTURE

if TYPE_CHECKING:
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.scoring import Scoring
    from resnet_fixtures.training.embedded_digits import EmbeddedDigits

TOP1_THRESHOLD = 0.97  # trainings of this recipe gave 0.989, and int8 0.989 to 0.992
MAX_DROP = 0.01  # of int8 and bf16 below fp32


@pytest.fixture(scope="session")
def labelled_digits(embedded_digits: EmbeddedDigits, thread_plan: ThreadPlan) -> LabelledImages:
    """The 360 validation digits, preprocessed as ImageNet's are."""
    preprocessing = Preprocessing.for_image_size(DIGITS_ARCHITECTURE.image_size)
    return LabelledImages(
        find_split(embedded_digits.folder()), preprocessing, DIGITS_ARCHITECTURE.classes, thread_plan.data_intra
    )


@pytest.fixture(scope="session")
def fp32_top1(embedded_digits: EmbeddedDigits, labelled_digits: LabelledImages, thread_plan: ThreadPlan) -> float:
    """Top-1 of the fp32 graph, to compare the others with."""
    with InferenceSession(embedded_digits.graph(Precision.FP32), thread_plan) as session:
        return evaluate(
            session, labelled_digits.split, labelled_digits.preprocessing, 100, thread_plan
        ).predictions.top1


@pytest.mark.accuracy
@pytest.mark.digits
def test_digits_accuracy(
    precision: Precision,
    embedded_digits: EmbeddedDigits,
    labelled_digits: LabelledImages,
    thread_plan: ThreadPlan,
    scoring: Scoring,
    fp32_top1: float,
) -> None:
    """Each precision reaches the threshold, and int8 and bf16 stay within a point of fp32."""
    with InferenceSession(embedded_digits.graph(precision), thread_plan) as session:
        predictions = scoring(session, labelled_digits, "digits").predictions
    verdict = judge_against(predictions, TOP1_THRESHOLD)
    assert verdict.passed, verdict.sentence
    assert predictions.top1 >= fp32_top1 - MAX_DROP, f"{precision} {predictions.top1:.4f}, fp32 {fp32_top1:.4f}"
