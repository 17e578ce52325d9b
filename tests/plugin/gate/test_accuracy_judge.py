from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.accuracy_judge import Flips, count_flips, judge_accuracy
from resnet_fixtures.gate.samples import ScoredImages
from resnet_fixtures.gate.tolerance import Tolerance, Unit, default_tolerance
from resnet_fixtures.gate.verdict import Judgement, Verdict
from tests.plugin.gate.made_entries import TEST, score_images

if TYPE_CHECKING:
    from resnet_fixtures.gate.samples import Entry

IMAGES, RIGHT1, RIGHT5 = 50_000, 38_255, 46_535
SCORED = [0] * RIGHT1 + [3] * (RIGHT5 - RIGHT1) + [9] * (IMAGES - RIGHT5)
NO_LOSS = Tolerance(0, Unit.POINTS)
DEFAULT = Tolerance(0.05, Unit.POINTS)


def answer(changes: dict[int, int], predictions: dict[int, int] | None = None) -> Entry:
    """Answers to 50,000 images: the full set's, with other ranks and predictions for some images."""
    ranks, told = SCORED.copy(), [1] * RIGHT1 + [2] * (IMAGES - RIGHT1)
    for image, rank in changes.items():
        ranks[image], told[image] = rank, 1 if rank == 0 else 2
    for image, prediction in (predictions or {}).items():
        told[image] = prediction
    return score_images(ranks, told)


BASELINE = answer({})


def judge_answers(run: Entry, tolerance: Tolerance = DEFAULT, notes: tuple[str, ...] = ()) -> Judgement:
    return judge_accuracy(TEST, BASELINE.scored, run.scored, tolerance, "base.json", notes)


def test_one_flipped_prediction_in_50_000_is_seen() -> None:
    judgement = judge_answers(answer({7: 1}), notes=("tensorflow 2.20.0 -> 2.21.0",))
    assert judgement.verdict is Verdict.PASS
    assert judgement.change == pytest.approx(1 / IMAGES)
    assert judgement.reason == (
        "38,254 of 50,000 images right in top-1, 1 fewer than 38,255, and 46,535 in top-5, as before "
        "(allowed 0.05 points, 25 images; 1 prediction differs: 1 worse, 0 better, 0 other; McNemar p = 1; "
        "tensorflow 2.20.0 -> 2.21.0)"
    )


def test_one_other_wrong_answer_is_seen() -> None:
    judgement = judge_answers(answer({}, {49_000: 77}))
    assert (judgement.verdict, judgement.change) == (Verdict.PASS, 0.0)
    assert "1 prediction differs: 0 worse, 0 better, 1 other;" in judgement.reason


def test_the_same_answers_pass() -> None:
    judgement = judge_answers(BASELINE, NO_LOSS)
    assert judgement.verdict is Verdict.PASS
    assert judgement.reason == (
        "38,255 of 50,000 images right in top-1, as before, and 46,535 in top-5, as before "
        "(allowed 0 points, 0 images; 0 predictions differ: 0 worse, 0 better, 0 other; McNemar p = 1)"
    )


def test_a_drop_of_a_tenth_of_a_point_is_a_regression_by_default() -> None:
    assert default_tolerance(BASELINE.metric) == DEFAULT
    judgement = judge_answers(answer(dict.fromkeys(range(50), 2)))
    assert judgement.verdict is Verdict.REGRESSED
    assert judgement.change == pytest.approx(0.001)
    assert judgement.interval is not None
    assert 0 < judgement.interval.low < 0.001 < judgement.interval.high
    assert "38,205 of 50,000 images right in top-1, 50 fewer than 38,255" in judgement.reason
    assert "50 predictions differ: 50 worse, 0 better, 0 other; McNemar p = 1.78e-15" in judgement.reason


@pytest.mark.parametrize(("lost", "verdict"), [(25, Verdict.PASS), (26, Verdict.REGRESSED)])
def test_the_tolerance_is_counted_exactly(lost: int, verdict: Verdict) -> None:
    assert judge_answers(answer(dict.fromkeys(range(lost), 2))).verdict is verdict


@pytest.mark.parametrize(("won", "verdict"), [(25, Verdict.PASS), (26, Verdict.IMPROVED)])
def test_a_gain_beyond_the_tolerance_is_an_improvement(won: int, verdict: Verdict) -> None:
    judgement = judge_answers(answer(dict.fromkeys(range(RIGHT1, RIGHT1 + won), 0)))
    assert judgement.verdict is verdict
    assert judgement.change == pytest.approx(-won / IMAGES)


def test_losses_and_gains_weigh_up_but_are_counted() -> None:
    swapped = {**dict.fromkeys(range(400), 2), **dict.fromkeys(range(RIGHT1, RIGHT1 + 390), 0)}
    judgement = judge_answers(answer(swapped))
    assert judgement.verdict is Verdict.PASS
    assert "790 predictions differ: 400 worse, 390 better, 0 other" in judgement.reason


def test_top_5_is_judged_too() -> None:
    judgement = judge_answers(answer(dict.fromkeys(range(RIGHT1, RIGHT1 + 30), 7)))
    assert judgement.verdict is Verdict.REGRESSED
    assert judgement.change == pytest.approx(30 / IMAGES)
    assert "in top-1, as before, and 46,505 in top-5, 30 fewer than 46,535" in judgement.reason


def test_a_loss_of_one_weighs_more_than_a_gain_of_the_other() -> None:
    changes = {**dict.fromkeys(range(RIGHT1, RIGHT1 + 100), 0), **dict.fromkeys(range(RIGHT5 - 60, RIGHT5), 8)}
    assert judge_answers(answer(changes)).verdict is Verdict.REGRESSED


def test_no_loss_may_be_allowed() -> None:
    assert judge_answers(answer({7: 1}), NO_LOSS).verdict is Verdict.REGRESSED


@pytest.mark.parametrize(
    "scored",
    [
        ScoredImages("other", (1,) * IMAGES, tuple(SCORED)),
        ScoredImages("ff00", (1,), (0,)),
        ScoredImages("ff00", (1,), tuple(SCORED)),
    ],
)
def test_other_images_are_incompatible(scored: ScoredImages) -> None:
    judgement = judge_accuracy(TEST, BASELINE.scored, scored, DEFAULT, "base.json")
    assert (judgement.verdict, judgement.change) == (Verdict.INCOMPATIBLE, None)
    assert judgement.reason == (
        f"the images are others ({len(scored.ranks):,} here, 50,000 in base.json): pass the same --data-location, "
        "or run with --gate-update here"
    )


@pytest.mark.parametrize("nothing", [None, ScoredImages("ff00", (), ())])
def test_no_answers_are_incompatible(nothing: ScoredImages | None) -> None:
    for sides in ((BASELINE.scored, nothing), (nothing, BASELINE.scored), (nothing, nothing)):
        judgement = judge_accuracy(TEST, *sides, DEFAULT, "base.json")
        assert judgement.verdict is Verdict.INCOMPATIBLE
        assert judgement.reason.startswith("answers to images are missing here or in base.json")


def test_flips_are_told_apart() -> None:
    before = ScoredImages("ff00", (1, 1, 2, 2, 3), (0, 0, 4, 1, 2))
    after = ScoredImages("ff00", (1, 5, 7, 9, 3), (0, 1, 4, 0, 1))
    assert count_flips(before, after) == Flips(worse=1, better=1, other=1)
