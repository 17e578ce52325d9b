"""Read the JSON files that accuracy runs and trainings leave beside their logs."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.report.history import Score, Training
from resnet_fixtures.report.stored_json import CURE
from resnet_fixtures.report.stored_runs import read_versions

if TYPE_CHECKING:
    from pathlib import Path

    from resnet_fixtures.report.stored_json import Fields

STAMP = re.compile(r"_(\d{8}_\d{6})(?:_\d+)?$")  # of a log's name: the start of the run in local time


def is_score(stored: Fields) -> bool:
    """Tell the result of an accuracy run."""
    return stored.has("precision", "data", "correct1", "correct5", "images", "top1_interval")


def is_of_training(stored: Fields) -> bool:
    """Tell the score of a training's frozen model, which stands with the training."""
    return stored.values.get("of_training") is True


def is_training(stored: Fields) -> bool:
    """Tell the result of a training to a target."""
    return stored.values.get("mode") == "convergence" and stored.has("precision", "target", "top1")


def is_trial(stored: Fields) -> bool:
    """Tell the result of a training trial, which pytest-benchmark stores too."""
    return stored.values.get("mode") == "training" and stored.has("precision", "images_per_s")


def read_score(path: Path, stored: Fields) -> Score:
    """Return an accuracy run; counts that contradict each other are an InputError."""
    images, correct1, correct5 = (stored.count(name) for name in ("images", "correct1", "correct5"))
    interval = stored.pair("top1_interval")
    if not correct1 <= correct5 <= images or not images or interval is None:
        raise InputError(f"{path}: {correct1} and {correct5} right answers of {images} images cannot be: {CURE}.")
    return Score(
        source=str(path),
        time=time_of(path, stored),
        precision=stored.text("precision"),
        data=stored.text("data"),
        images=images,
        correct1=correct1,
        correct5=correct5,
        interval=interval,
        versions=read_versions(stored.nested("versions")),
    )


def read_training(path: Path, stored: Fields) -> Training:
    """Return a training to a target."""
    return Training(
        source=str(path),
        time=time_of(path, stored),
        precision=stored.text("precision"),
        data=stored.text("data", ""),
        processes=stored.count("processes", 1),
        target=stored.share("target"),
        top1=stored.share("top1"),
        epochs=stored.count("epochs", 0),
        is_reached=stored.values.get("reached") is True,
        time_to_train_s=stored.number("time_to_train_s") if stored.has("time_to_train_s") else None,
    )


def time_of(path: Path, stored: Fields) -> datetime:
    """Return when a result was created; of one that does not say it, its log's name, else when the file was written."""
    if stored.has("created"):
        return stored.time("created")
    found = STAMP.search(path.stem)
    try:
        if found:
            return datetime.strptime(found[1], "%Y%m%d_%H%M%S").astimezone().astimezone(timezone.utc)
    except (ValueError, OverflowError):
        pass
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc)
