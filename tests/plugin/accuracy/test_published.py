from __future__ import annotations

from resnet_fixtures.accuracy.published import DEFAULT_TOLERANCE, IMAGENET_VALIDATION_IMAGES, PUBLISHED
from resnet_fixtures.precision import Precision


def test_each_precision_has_the_figures_of_the_seed() -> None:
    found = {str(precision): (threshold.top1, threshold.top5) for precision, threshold in PUBLISHED.items()}
    assert found == {"int8": (0.7623, 0.9296), "fp32": (0.7651, 0.9307), "bf16": (0.7674, 0.9316)}
    assert set(PUBLISHED) == set(Precision)


def test_default_tolerance_lets_newer_tensorflow_s_fp32_pass() -> None:
    assert 0.7648 >= PUBLISHED[Precision.FP32].top1 - DEFAULT_TOLERANCE > 0.7645
    assert IMAGENET_VALIDATION_IMAGES == 50_000
