from __future__ import annotations

import json
from dataclasses import replace

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.recipe import Augmentation, Recipe

MLPERF = Recipe(batch_size=128, ranks=32)  # the seed's convergence run: a global batch of 4096
STEPS = 312  # an epoch of 1,281,167 images


def test_defaults_are_the_references() -> None:
    assert MLPERF.global_batch == 4096
    assert MLPERF.peak_learning_rate == pytest.approx(2.048)
    assert replace(MLPERF, base_learning_rate=0.1).peak_learning_rate == pytest.approx(1.6)
    assert MLPERF.steps_per_epoch(1_281_167) == STEPS


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0, 0),
        (1, 1 / 1560),
        (780, 0.5),
        (1560, 1),
        (30 * STEPS - 1, 1),
        (30 * STEPS, 0.1),
        (60 * STEPS, 0.01),
        (80 * STEPS, 1e-3),
        (90 * STEPS, 1e-4),
    ],
)
def test_learning_rate_rises_in_a_line_and_falls_in_steps(step: int, share: float) -> None:
    assert MLPERF.learning_rate(step, STEPS) == pytest.approx(2.048 * share)


def test_without_warmup_the_first_step_has_the_whole_rate() -> None:
    recipe = Recipe(warmup_epochs=0, drop_epochs=())
    assert {recipe.learning_rate(step, 10) for step in (0, 1, 10_000)} == {recipe.peak_learning_rate}


def test_a_set_smaller_than_a_global_batch_is_refused() -> None:
    assert Recipe(batch_size=8, ranks=2).steps_per_epoch(47) == 2
    with pytest.raises(InputError, match=r"15 images, less than a global batch of 16: pass a smaller --batch-size\."):
        Recipe(batch_size=8, ranks=2).steps_per_epoch(15)


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(
        Architecture(16, 11, 64), Precision.BF16, drop_epochs=(1.0, 2.5), augmentation=Augmentation.SHIFT, seed=7
    )
    assert Recipe.from_dict(json.loads(json.dumps(recipe.as_dict()))) == recipe
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        Recipe.from_dict({**recipe.as_dict(), "colour": 1})


def test_differences_are_named_with_both_values() -> None:
    here, there = Recipe(), Recipe(batch_size=64, augmentation=Augmentation.SHIFT)
    assert here.differences(here) == []
    assert here.differences(there) == ["batch_size 64 instead of 32", "augmentation shift instead of crop and flip"]
