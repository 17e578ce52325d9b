from __future__ import annotations

import numpy as np
import pytest

from resnet_fixtures.graph.weights import random_weights, stored_weights


def test_random_weights_depend_on_seed_and_name_alone() -> None:
    first, second = random_weights(3), random_weights(3)
    second("other/kernel", (2, 2))
    np.testing.assert_array_equal(first("a/kernel", (3, 3, 4, 5)), second("a/kernel", (3, 3, 4, 5)))
    assert not np.array_equal(first("a/kernel", (9, 9)), first("b/kernel", (9, 9)))
    assert not np.array_equal(first("a/kernel", (9, 9)), random_weights(4)("a/kernel", (9, 9)))


def test_random_weights_never_change() -> None:
    """Embedded graphs are compared from one release to the next."""
    drawn = random_weights(0)("conv1/kernel", (7, 7, 3, 64)).ravel()[:3]
    np.testing.assert_allclose(drawn, [0.039843727, 0.183446035, 0.161539689], rtol=1e-5)


def test_kernels_have_the_variance_of_he_et_al() -> None:
    kernel = random_weights(0)("stage2/block1/conv2/kernel", (3, 3, 64, 64))
    assert kernel.dtype == np.float32
    assert kernel.std() == pytest.approx(np.sqrt(2 / (3 * 3 * 64)), rel=0.02)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("conv1/gamma", 0.9, 1.1),
        ("stage2/block1/conv3/gamma", 0.18, 0.22),
        ("conv1/beta", -0.1, 0.1),
        ("conv1/mean", -0.1, 0.1),
        ("conv1/variance", 0.9, 1.1),
        ("dense/bias", -0.1, 0.1),
    ],
)
def test_other_roles_keep_activations_finite(name: str, low: float, high: float) -> None:
    drawn = random_weights(0)(name, (512,))
    assert drawn.dtype == np.float32
    assert low <= drawn.min() < drawn.max() <= high


def test_stored_weights_come_back_as_float32() -> None:
    found = stored_weights({"conv1/gamma": np.arange(3, dtype=np.float64)})("conv1/gamma", (3,))
    assert found.dtype == np.float32
    assert found.tolist() == [0, 1, 2]


def test_a_missing_weight_is_named() -> None:
    with pytest.raises(KeyError, match="conv1/gamma"):
        stored_weights({})("conv1/gamma", (3,))


def test_a_weight_of_another_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"conv1/gamma has shape \(3,\), the architecture needs \(4,\)"):
        stored_weights({"conv1/gamma": np.zeros(3)})("conv1/gamma", (4,))
