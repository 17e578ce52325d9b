from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.accuracy.predictions import (
    Predictions,
    format_results,
    join_predictions,
    write_results_file,
)
from resnet_fixtures.errors import InputError
from resnet_fixtures.precision import Precision
from tests.plugin.full_disk import full_disk

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.accuracy.conftest import PredictionsMaker

NOW = datetime(2026, 11, 23, 15, 4, 5)
STEM = "resnet50v1_5_int8_inference_results_20261123_150405"


def test_counts_and_shares(make_predictions: PredictionsMaker) -> None:
    predictions = make_predictions([0, 4, 5, 0, 1000, 1, 0, 7])
    assert (predictions.images, predictions.correct1, predictions.correct5) == (8, 3, 5)
    assert (predictions.top1, predictions.top5) == (0.375, 0.625)
    assert predictions.is_in_top(1).tolist() == [True, False, False, True, False, False, True, False]


def test_intervals_are_wilson_s(make_predictions: PredictionsMaker) -> None:
    """Wilson 1927: 1 of 2 gives 0.0945..0.9055, 2 of 2 gives 0.3424..1."""
    predictions = make_predictions([0, 2])
    top1, top5 = predictions.top1_interval, predictions.top5_interval
    assert (top1.low, top1.high, top1.confidence) == pytest.approx((0.0945, 0.9055, 0.95), abs=1e-4)
    assert (top5.low, top5.high) == pytest.approx((0.3424, 1.0), abs=1e-4)


def test_arrays_of_different_lengths_are_no_predictions() -> None:
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    for columns in ((one, two, two), (two, one, two), (two, two, one), (one, one, one)):
        with pytest.raises(ValueError, match="one name, label, answer and rank for each image"):
            Predictions(("a", "b"), *columns)


def test_joined_batches_are_the_whole(make_predictions: PredictionsMaker) -> None:
    whole = make_predictions([0, 9, 4, 0, 6])
    parts = [whole.head(2), Predictions(whole.filenames[2:], whole.actual[2:], whole.prediction[2:], whole.ranks[2:])]
    joined = join_predictions(parts)
    assert format_results(joined) == format_results(whole)
    assert joined.ranks.tolist() == [0, 9, 4, 0, 6]
    nothing = join_predictions([])
    assert (nothing.images, nothing.correct1, str(nothing.ranks.dtype)) == (0, 0, "int64")


def test_results_file_is_the_seed_s(tmp_path: Path) -> None:
    names = ("ILSVRC2012_val_00033870.JPEG", 'a, "b".JPEG')
    predictions = Predictions(names, np.array([592, 1]), np.array([592, 0]), np.array([0, 3]))
    path = write_results_file(tmp_path / "new" / "folder", Precision.INT8, NOW, predictions)
    assert path == tmp_path / "new" / "folder" / f"{STEM}.txt"
    assert path.read_text() == (
        'filename,actual,prediction\nILSVRC2012_val_00033870.JPEG,592,592\n"a, ""b"".JPEG",1,0\n'
    )
    with path.open(newline="") as file:
        assert list(csv.reader(file))[2] == ['a, "b".JPEG', "1", "0"]


def test_results_of_the_same_second_never_share_a_file(tmp_path: Path, make_predictions: PredictionsMaker) -> None:
    (tmp_path / f"{STEM}.txt").write_text("precious")
    predictions = make_predictions([0])
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: write_results_file(tmp_path, Precision.INT8, NOW, predictions), range(8)))
    assert {path.name for path in paths} == {f"{STEM}_{number}.txt" for number in range(1, 9)}
    assert {path.read_text() for path in paths} == {format_results(predictions)}
    assert (tmp_path / f"{STEM}.txt").read_text() == "precious"
    assert len(list(tmp_path.iterdir())) == 9


def test_output_dir_that_cannot_be_written_is_the_user_s_error(
    tmp_path: Path, make_predictions: PredictionsMaker
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"^--output-dir .*/file/below cannot be written \(.+\): pass a folder"):
        write_results_file(tmp_path / "file" / "below", Precision.INT8, NOW, make_predictions([0]))


def test_failed_write_leaves_nothing_behind(tmp_path: Path, make_predictions: PredictionsMaker) -> None:
    with pytest.raises(InputError, match="cannot be written"), full_disk(10):
        write_results_file(tmp_path, Precision.INT8, NOW, make_predictions([0]))
    assert not list(tmp_path.iterdir())
