from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.data.location import find_split
from resnet_fixtures.data.preprocess import Preprocessing, decode_and_preprocess
from resnet_fixtures.errors import DataError
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.weights import stored_weights
from resnet_fixtures.training import evaluation
from resnet_fixtures.training.communicator import Alone
from resnet_fixtures.training.evaluation import evaluate, share
from resnet_fixtures.training.step import TrainingStep
from tests.plugin.lazy_tensorflow import tf
from tests.plugin.training.worlds import ARCHITECTURE, make_order, make_recipe, run_together, write_set

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.data.split import Split
    from resnet_fixtures.training.communicator import Communicator
    from resnet_fixtures.training.events import Evaluated

pytestmark = pytest.mark.usefixtures("shallow")
COUNTS = (6, 1, 4)
IMAGES = sum(COUNTS)
ORDER = make_order(train_epochs=1)


@dataclass
class Examiner:
    """Stands for the model: keeps what it is shown; images whose label is even are right, 4 and 8 first guesses."""

    step: int = 30
    statistics: np.ndarray = field(default_factory=lambda: np.zeros(3, np.float32))
    seen: list[bytes] = field(default_factory=list)

    def moving_statistics(self) -> np.ndarray:
        return self.statistics

    def set_moving_statistics(self, flat: np.ndarray) -> None:
        self.statistics = flat

    def count_correct(self, images: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
        self.seen += [image.tobytes() for image in images]
        return int((labels % 4 == 0).sum()), int((labels % 2 == 0).sum())


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Eleven images in three files, labels 1 to 10 and 1."""
    return find_split(write_set(tmp_path_factory.mktemp("data"), train=(), validation=COUNTS))


def score(model: Any, split: Split, communicator: Communicator) -> Evaluated:
    return evaluate(model, split, ORDER, communicator, 7)


@pytest.mark.parametrize(
    ("ranks", "batch"),
    [(1, 1), (1, 4), (1, IMAGES), (1, 100), (2, 1), (2, 4), (2, 100), (3, 4), (4, 2), (IMAGES, 4), (IMAGES + 2, 4)],
)
def test_every_image_is_scored_once(split: Split, ranks: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", batch)
    models = [Examiner() for _ in range(ranks)]
    answers = run_together(ranks, lambda rank: score(models[rank.rank], split, rank))
    assert Counter(image for model in models for image in model.seen) == Counter(preprocess(split))
    assert len(set(preprocess(split))) == IMAGES
    for one in answers:
        assert (one.epoch, one.step, one.images, one.correct1, one.correct5) == (7, 30, IMAGES, 2, 5)


def preprocess(split: Split) -> list[bytes]:
    """Decode each image on its own."""
    images = []
    for record in tf.data.TFRecordDataset([str(file) for file in split.files]):
        jpeg = tf.train.Example.FromString(record.numpy()).features.feature["image/encoded"].bytes_list.value[0]
        images.append(decode_and_preprocess(jpeg, Preprocessing.for_image_size(ARCHITECTURE.image_size)))
    return [image.numpy().tobytes() for image in images]


@pytest.mark.parametrize("ranks", [1, 2, 3, 7, 60])
@pytest.mark.parametrize("images", [1, 2, 50, 50_000])
def test_shares_are_disjoint_and_even(images: int, ranks: int) -> None:
    shares = [share(images, rank, ranks) for rank in range(ranks)]
    assert [image for one in shares for image in one] == list(range(images))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_moving_statistics_are_the_ranks_mean_and_stay_so(split: Split) -> None:
    models = [Examiner(statistics=np.array([rank, 4, -rank], np.float32)) for rank in (1, 2)]
    run_together(2, lambda rank: score(models[rank.rank], split, rank))
    for model in models:
        np.testing.assert_array_equal(model.statistics, np.array([1.5, 4, -1.5], np.float32))


@pytest.fixture(scope="module")
def trained() -> TrainingStep:
    """A model some steps old, so that moving statistics count."""
    model = TrainingStep(make_recipe(), 3)
    rng = np.random.default_rng(1)
    for _ in range(5):
        model.run(rng.normal(0, 60, (4, 32, 32, 3)).astype(np.float32), np.arange(4, dtype=np.int32))
    return model


def test_hits_are_those_of_the_frozen_graph_counted_by_hand(trained: TrainingStep, tmp_path: Path) -> None:
    """The labels are the third guesses of some, the first of others, and the last of the rest."""
    split = find_split(write_set(tmp_path, train=(), validation=(40,)))
    places = probabilities_by_hand(trained, split).argsort(axis=1)[:, ::-1]
    labels = np.arange(40) % 10 + 1
    hits = [[label in row[:first] for label, row in zip(labels, places, strict=True)] for first in (1, 5)]
    expected = tuple(map(sum, hits))
    assert 0 < expected[0] < expected[1] < 40
    for answer in (score(trained, split, Alone()), run_together(1, lambda rank: score(trained, split, rank))[0]):
        assert (answer.correct1, answer.correct5) == expected
        assert answer.top1 == expected[0] / 40


def probabilities_by_hand(model: TrainingStep, split: Split) -> np.ndarray:
    """Freeze the weights and run the graph image by image: [images, classes]."""
    weights = {name.removeprefix("weights/"): array for name, array in model.tensors().items() if "weights/" in name}
    images = [np.frombuffer(one, np.float32).reshape(1, 32, 32, 3) for one in preprocess(split)]
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(freeze(ARCHITECTURE, stored_weights(weights)), name="")
        return np.concatenate([session.run("softmax_tensor:0", {"input_tensor:0": image}) for image in images])


def test_an_image_that_is_missing_or_broken_is_named_not_left_out(tmp_path: Path) -> None:
    split = find_split(write_set(tmp_path, train=(), validation=COUNTS))
    (tmp_path / "validation-00002-of-00003").write_bytes((tmp_path / "validation-00001-of-00003").read_bytes())
    for ranks in (1, 2):
        with pytest.raises(DataError, match="images came where 11 were counted; leave the files alone during a run"):
            run_together(ranks, lambda rank: score(Examiner(), split, rank))
