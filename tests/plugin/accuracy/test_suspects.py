from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.accuracy import suspects
from resnet_fixtures.accuracy.evaluate import evaluate
from resnet_fixtures.accuracy.predictions import Predictions, join_predictions
from resnet_fixtures.accuracy.suspects import Explanation, explain_low_accuracy, shift_labels, vary
from resnet_fixtures.data.imagenet import read_batches
from resnet_fixtures.data.preprocess import ChannelOrder, Preprocessing, Resizing, Scaling
from resnet_fixtures.inference.session import InferenceSession

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Protocol, TypeAlias

    import numpy.typing as npt

    from resnet_fixtures.data.imagenet import LabelledBatch, Split
    from resnet_fixtures.graph.frozen import FrozenGraph
    from resnet_fixtures.hardware.thread_plan import ThreadPlan
    from tests.plugin.accuracy.conftest import GraphMaker, Preparer, SplitWriter

    Memory: TypeAlias = tuple[Preprocessing, int | npt.NDArray[np.int64]]
    MemoryMaker: TypeAlias = Callable[[Sequence[Memory]], FrozenGraph]

    class Explainer(Protocol):
        def __call__(self, graph: FrozenGraph, times: int = ...) -> Explanation | None: ...


IMAGES = 23
CLASSES = 30  # a label of its own for each image, 2 to 24, and some around them
LABELS = list(range(2, IMAGES + 2))
SEED = Preprocessing.for_image_size(16)
PLANTED = {
    "the channel order is BGR": replace(SEED, channel_order=ChannelOrder.BGR),
    "the scaling is 0..255": replace(SEED, scaling=Scaling.BYTES),
    "the scaling is 0..1": replace(SEED, scaling=Scaling.UNIT),
    "the scaling is -1..1": replace(SEED, scaling=Scaling.SIGNED_UNIT),
    "the scaling is minus the channel means, divided by the standard deviations": replace(
        SEED, scaling=Scaling.STANDARDISED
    ),
    "the resizing is bilinear between pixel corners, as TensorFlow 1 did": replace(
        SEED, resizing=Resizing.CORNER_BILINEAR
    ),
    "the resizing is area average, as MLPerf's reference does": replace(SEED, resizing=Resizing.AREA),
    "the resizing is bilinear, the whole image stretched to a square": replace(SEED, resizing=Resizing.STRETCHED),
    "the short side is resized to 16, not 18": replace(SEED, resize_side=16),
}


@pytest.fixture
def make_memory(prepare: Preparer, make_graph: GraphMaker) -> MemoryMaker:
    """Make a graph that knows the photographs under some preprocessings and answers label + shift for each.

    The likeliest template is the nearest one: |x - t|^2 is smallest where x.t - |t|^2 / 2 is largest.
    """

    def make(known: Sequence[Memory]) -> FrozenGraph:
        templates = np.concatenate([prepare(preprocessing) for preprocessing, _ in known])
        answers = np.concatenate([np.eye(CLASSES, dtype=np.float32)[np.array(LABELS) + shift] for _, shift in known])
        return make_graph(templates.T.copy(), -(templates**2).sum(axis=1) / 2, answers)

    return make


@pytest.fixture(scope="module")
def read_once() -> Iterator[None]:
    """Read the photographs under each preprocessing once for all tests: they are the same, and a pipeline is slow."""
    read: dict[tuple[int, Preprocessing], list[LabelledBatch]] = {}

    def read_again(
        split: Split, preprocessing: Preprocessing, batch_size: int, classes: int, threads: int, take: int
    ) -> Iterator[LabelledBatch]:
        key = take, preprocessing
        if key not in read:
            read[key] = list(read_batches(split, preprocessing, batch_size, classes, threads, take=take))
        return iter(read[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suspects, "read_batches", read_again)
        yield


@pytest.fixture
def explain(read_once: None, write_split: SplitWriter, jpegs: tuple[bytes, ...], plan: ThreadPlan) -> Explainer:
    """Evaluate the photographs, so many times over, and explain the result."""

    def explain(graph: FrozenGraph, times: int = 1) -> Explanation | None:
        split = write_split(LABELS * times, jpegs * times)
        with InferenceSession(graph, plan) as session:
            predictions = evaluate(session, split, SEED, 10, plan).predictions
            return explain_low_accuracy(session, split, SEED, plan, predictions, expected_top1=0.76)

    return explain


@pytest.mark.parametrize("change", PLANTED)
def test_planted_preprocessing_is_named(change: str, make_memory: MemoryMaker, explain: Explainer) -> None:
    """Under any other preprocessing the graph is far off: three classes further."""
    others = [(SEED, 3), *((other, 3) for name, other in PLANTED.items() if name != change)]
    explanation = explain(make_memory([(PLANTED[change], 0), *others]))
    assert explanation is not None
    assert explanation.sentence == (
        f"On 23 images top-1 is 1.000 instead of 0.000 when {change}: "
        "put that step into the graph, or pass a graph that was trained on images prepared as here."
    )


@pytest.mark.parametrize(("shift", "direction"), [(1, "higher"), (-1, "lower")])
def test_planted_shift_of_the_labels_is_named(
    shift: int, direction: str, make_memory: MemoryMaker, explain: Explainer
) -> None:
    explanation = explain(make_memory([(SEED, shift), *((other, 3) for other in PLANTED.values())]))
    assert explanation is not None
    assert explanation.sentence == (
        f"On 23 images top-1 is 1.000 instead of 0.000 when the labels are taken one {direction}: "
        "convert the data again, or pass a graph whose classes are counted like the data's."
    )


def test_nothing_is_named_when_none_explains_it(make_memory: MemoryMaker, explain: Explainer) -> None:
    assert explain(make_memory([(SEED, 3), *((other, 3) for other in PLANTED.values())])) is None


def test_nothing_is_named_when_two_mistakes_come_together(make_memory: MemoryMaker, explain: Explainer) -> None:
    both = replace(SEED, channel_order=ChannelOrder.BGR, scaling=Scaling.BYTES)
    others = [(SEED, 3), *((other, 3) for other in PLANTED.values())]
    assert explain(make_memory([(both, 0), *others])) is None


def test_suspect_that_the_graph_has_no_answer_to_explains_nothing(make_graph: GraphMaker, explain: Explainer) -> None:
    """The sum of an image's bytes is beyond float32 under these weights; that of one minus the means is not."""
    weights = np.full((SEED.image_size**2 * 3, CLASSES), 1e34, np.float32)
    weights[:, 1:] = 0
    assert explain(make_graph(weights, np.zeros(CLASSES, np.float32))) is None


def test_graph_that_scores_as_expected_is_not_suspected(make_memory: MemoryMaker, explain: Explainer) -> None:
    assert explain(make_memory([(SEED, 0)])) is None


def test_suspects_change_one_step_each_and_are_those_planted_here() -> None:
    assert dict(vary(SEED)) == PLANTED


def test_step_that_is_in_use_is_no_suspect_and_the_seed_s_is() -> None:
    changes = dict(vary(replace(SEED, channel_order=ChannelOrder.BGR, resize_side=16)))
    assert changes["the channel order is RGB"] == replace(SEED, resize_side=16)
    assert "the channel order is BGR" not in changes
    assert not any("short side" in change for change in changes)


@pytest.mark.parametrize(("correct", "is_named"), [(10, False), (11, True)])
def test_win_must_be_clear(correct: int, is_named: bool, make_memory: MemoryMaker, explain: Explainer) -> None:
    """None of 23 right speaks for up to 22.4 %, 10 of them for 21.4 % or more and 11 for 24.7 % (Wilson, 99 %)."""
    shifts = np.where(np.arange(IMAGES) < correct, 1, 3)
    explanation = explain(make_memory([(SEED, shifts), *((other, 3) for other in PLANTED.values())]))
    assert (explanation is not None) is is_named
    assert explanation is None or (explanation.correct, explanation.correct_before) == (11, 0)


def test_sample_is_the_first_200_images(make_memory: MemoryMaker, explain: Explainer) -> None:
    others = [(SEED, 3), *((other, 3) for name, other in PLANTED.items() if name != "the channel order is BGR")]
    explanation = explain(make_memory([(PLANTED["the channel order is BGR"], 0), *others]), times=10)
    assert explanation is not None
    assert (explanation.images, explanation.correct, explanation.change) == (200, 200, "the channel order is BGR")


def test_shifts_are_counted_from_the_answers_alone() -> None:
    sample = Predictions(tuple("abcd"), np.array([5, 6, 7, 8]), np.array([6, 5, 8, 8]), np.array([1, 1, 1, 0]))
    assert [(tried.correct, tried.correct_before, tried.images) for tried in shift_labels(sample)] == [
        (2, 1, 4),
        (1, 1, 4),
    ]


def test_no_answers_need_no_explanation(make_memory: MemoryMaker, write_split: SplitWriter, plan: ThreadPlan) -> None:
    with InferenceSession(make_memory([(SEED, 0)]), plan) as session:
        nothing = join_predictions([])
        assert explain_low_accuracy(session, write_split(LABELS), SEED, plan, nothing, expected_top1=0.76) is None
