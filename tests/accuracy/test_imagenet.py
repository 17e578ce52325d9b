"""Top-1 and top-5 on ImageNet against the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.accuracy.published import PUBLISHED
from resnet_fixtures.accuracy.suspects import NONE_EXPLAINS, explain_low_accuracy, is_far_below
from resnet_fixtures.accuracy.verdict import judge
from resnet_fixtures.live import LiveTerminal

if TYPE_CHECKING:
    from resnet_fixtures.data.imagenet import LabelledImages
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from resnet_fixtures.inference.session import InferenceSession
    from resnet_fixtures.precision import Precision
    from resnet_fixtures.scoring import Scoring


@pytest.mark.accuracy
@pytest.mark.imagenet
def test_imagenet_accuracy(
    pytestconfig: pytest.Config,
    precision: Precision,
    tf_session: InferenceSession,
    imagenet: LabelledImages,
    scoring: Scoring,
    thread_plan: ThreadPlan,
    accuracy_tolerance: float,
) -> None:
    """The graph scores what was published for its precision; far below, the usual mistake is looked for and named."""
    predictions = scoring(tf_session, imagenet, "imagenet").predictions
    verdict = judge(predictions, precision, accuracy_tolerance)
    expected, reason = PUBLISHED[precision].top1, verdict.sentence
    if not verdict.passed and is_far_below(predictions, expected):
        LiveTerminal(pytestconfig).announce(f"{precision} is far below {expected}: looking for the usual mistake …")
        explanation = explain_low_accuracy(
            tf_session, imagenet.split, imagenet.preprocessing, thread_plan, predictions, expected
        )
        reason = f"{reason} {explanation.sentence if explanation else NONE_EXPLAINS}"
    if not verdict.passed:
        pytest.fail(reason, pytrace=False)
