from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.accuracy.verdict import compare_counts, judge, judge_against
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from resnet_fixtures.accuracy.predictions import Predictions
    from tests.plugin.accuracy.conftest import PredictionsMaker

    Scorer: TypeAlias = Callable[[int, int, int], Predictions]


@pytest.fixture
def score(make_predictions: PredictionsMaker) -> Scorer:
    def score(images: int, correct1: int, correct5: int) -> Predictions:
        return make_predictions([0] * correct1 + [4] * (correct5 - correct1) + [5] * (images - correct5))

    return score


# published less 0.0005, of 50,000: the least that passes
FLOORS = [
    (Precision.INT8, 38_090, 46_455),
    (Precision.FP32, 38_230, 46_510),
    (Precision.BF16, 38_345, 46_555),
]


@pytest.mark.parametrize(("precision", "least1", "least5"), FLOORS)
def test_full_set_passes_exactly_at_published_less_tolerance(
    precision: Precision, least1: int, least5: int, score: Scorer
) -> None:
    assert judge(score(50_000, least1, least5), precision).passed
    assert not judge(score(50_000, least1 - 1, least5), precision).passed
    assert not judge(score(50_000, least1, least5 - 1), precision).passed


def test_sentences_of_the_full_set_have_the_exact_counts(score: Scorer) -> None:
    assert judge(score(50_000, 38_090, 46_454), Precision.INT8).sentence == (
        "int8 on all 50,000 images: top-1 0.7618 (38,090 right) reaches 0.7623 less 0.0005 (38,090), "
        "top-5 0.9291 (46,454 right) misses 0.9296 less 0.0005 (46,455)."
    )


def test_no_tolerance_asks_for_the_published_figure(score: Scorer) -> None:
    assert judge(score(50_000, 38_115, 46_480), Precision.INT8, tolerance=0).passed
    verdict = judge(score(50_000, 38_114, 46_480), Precision.INT8, tolerance=0)
    assert not verdict.passed
    assert "top-1 0.7623 (38,114 right) misses 0.7623 (38,115)," in verdict.sentence


def test_part_fails_only_where_the_interval_lies_below(score: Scorer) -> None:
    """Wilson's 95 % interval of 360 of 500 ends at 0.7576, of 363 at 0.7632, of 362 at 0.7613."""
    assert not judge(score(500, 360, 480), Precision.INT8).passed
    assert not judge(score(500, 362, 480), Precision.INT8).passed
    assert judge(score(500, 363, 480), Precision.INT8).passed


def test_part_fails_by_its_top5_too(score: Scorer) -> None:
    verdict = judge(score(500, 400, 440), Precision.INT8)
    assert not verdict.passed
    assert verdict.sentence == (
        "int8 on 500 of 50,000 images: top-1 0.8000 (400 right, 0.7627 to 0.8327 at 95 %) may be 0.7623 less 0.0005, "
        "top-5 0.8800 (440 right, 0.8486 to 0.9056 at 95 %) is below 0.9296 less 0.0005."
    )


@pytest.mark.parametrize(("correct1", "correct5", "passed"), [(1, 1, True), (0, 1, True), (0, 0, False)])
def test_one_image_is_judged_by_its_interval_and_the_verdict_says_that_it_was_one(
    correct1: int, correct5: int, passed: bool, score: Scorer
) -> None:
    """Wilson's interval of 0 of 1 ends at 0.7935: above the published top-1, below the published top-5."""
    verdict = judge(score(1, correct1, correct5), Precision.FP32)
    assert verdict.passed is passed
    assert verdict.sentence.startswith("fp32 on 1 of 50,000 images: ")


def test_one_image_short_of_the_full_set_is_a_part(score: Scorer) -> None:
    """The interval forgives a count that the full set would not."""
    assert judge(score(49_999, 38_000, 46_400), Precision.INT8).passed
    assert not judge(score(50_000, 38_000, 46_400), Precision.INT8).passed


def test_another_full_set_is_judged_by_its_counts(score: Scorer) -> None:
    assert not judge(score(100, 76, 100), Precision.INT8, images_in_full_set=100).passed
    assert judge(score(100, 77, 100), Precision.INT8, images_in_full_set=100).passed


@pytest.mark.parametrize(("correct", "passed"), [(349, False), (350, True), (360, True)])
def test_threshold_of_our_own_is_judged_by_the_count(correct: int, passed: bool, score: Scorer) -> None:
    verdict = judge_against(score(360, correct, 360), 0.97)
    assert verdict.passed is passed


def test_sentence_of_a_threshold_of_our_own(score: Scorer) -> None:
    expected = "360 images: top-1 0.9694 (349 right) misses 0.9700 (350)."
    assert judge_against(score(360, 349, 360), 0.97).sentence == expected


def test_no_rounding_stands_between_a_share_and_its_count() -> None:
    """In binary, 0.7623 - 0.0005 of 50,000 and many others are a hair above the whole number."""
    for needed in range(1, 9_995):
        published = float(f"0.{needed + 5:04}")
        assert compare_counts("top-1", 5 * needed, 50_000, published, 0.0005).passed
        assert not compare_counts("top-1", 5 * needed - 1, 50_000, published, 0.0005).passed


def test_no_images_are_no_verdict(score: Scorer) -> None:
    with pytest.raises(ValueError, match="no images cannot be judged"):
        judge(score(0, 0, 0), Precision.INT8)
    with pytest.raises(ValueError, match="no images cannot be judged"):
        judge_against(score(0, 0, 0), 0.97)
