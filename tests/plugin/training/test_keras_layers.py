from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights, stored_weights
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision
from resnet_fixtures.training.keras_layers import ROLES, KerasLayers, build_model

if TYPE_CHECKING:
    from pathlib import Path

ARCHITECTURE = Architecture(width=4, classes=11, image_size=32)
PLAN = ThreadPlan((0,), intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
Built = tuple[Any, KerasLayers]


@pytest.fixture(scope="module")
def built() -> Built:
    """The model with weights that are nowhere 0 or 1, statistics included."""
    model, layers = build_model(ARCHITECTURE)
    draw = random_weights(5)
    for name, parts in layers.named.items():
        for part in parts:
            for variable in part.variables:
                if variable.name in ROLES:
                    variable.assign(draw(f"{name}/{ROLES[variable.name]}", tuple(variable.shape)))
    return model, layers


def test_same_weights_give_the_frozen_graph_s_answers(built: Built, tmp_path: Path) -> None:
    model, layers = built
    path = tmp_path / "fp32.pb"
    path.write_bytes(freeze(ARCHITECTURE, stored_weights(layers.weights())).SerializeToString())
    images = dummy_images(3, ARCHITECTURE.image_size) / np.float32(1000)  # so that no probability ends in 0
    logits = np.asarray(model(images, training=False), np.float64)
    with InferenceSession(load_frozen_graph(path, Precision.FP32), PLAN) as session:
        frozen = np.log(session.predict(images).astype(np.float64))
    # The logits up to a constant for each image, which the softmax takes away.
    centred, frozen_centred = (values - values.mean(axis=1, keepdims=True) for values in (logits, frozen))
    assert centred.std() > 0.1  # or all would agree
    assert np.abs(centred - frozen_centred).max() < 1e-4 * centred.std()


def test_weights_are_complete_and_no_more(built: Built) -> None:
    asked = dict[str, tuple[int, ...]]()
    draw = random_weights(0)

    def note(name: str, shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
        asked[name] = shape
        return draw(name, shape)

    freeze(ARCHITECTURE, note)
    weights = built[1].weights()
    assert {name: weight.shape for name, weight in weights.items()} == asked
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}


def test_trainable_are_all_but_the_statistics(built: Built) -> None:
    trainable = {variable.path for variable in built[0].trainable_variables}
    assert len(trainable) == 53 * 3 + 2
    assert not any("moving" in path for path in trainable)


@pytest.fixture(scope="module")
def bf16() -> Built:
    return build_model(ARCHITECTURE, Precision.BF16)


def test_bf16_keeps_variables_and_logits_in_float32(built: Built, bf16: Built) -> None:
    model, layers = bf16
    layers.load(built[1].weights())
    assert {str(variable.dtype) for variable in model.variables} == {"float32"}
    tensors = [layer.output for layer in model.layers[1:-1]]
    assert {str(tensor.dtype) for tensor in tensors} == {"bfloat16"}
    images = dummy_images(3, ARCHITECTURE.image_size) / np.float32(1000)
    logits, expected = (np.asarray(one(images, training=False)) for one in (model, built[0]))
    assert logits.dtype == np.float32
    assert 0 < np.abs(logits - expected).max() < 0.05 * np.abs(expected).max()


def test_loaded_weights_come_back_bit_for_bit(built: Built, bf16: Built) -> None:
    weights = {name: weight + np.float32(1) for name, weight in built[1].weights().items()}
    bf16[1].load(weights)
    again = bf16[1].weights()
    assert again.keys() == weights.keys()
    assert all(again[name].tobytes() == weight.tobytes() for name, weight in weights.items())


def test_weights_of_another_architecture_are_refused(bf16: Built) -> None:
    layers = bf16[1]
    before = layers.weights()
    weights = {name: weight + np.float32(1) for name, weight in before.items()}
    lacking = {name: weight for name, weight in weights.items() if name != "dense/bias"}
    with pytest.raises(
        InputError, match=r"^The array dense/bias is missing: pass a checkpoint of this architecture\.$"
    ):
        layers.load(lacking)
    with pytest.raises(InputError, match=r"^The array conv1/kernel has shape \(3,\) instead of \(7, 7, 3, 4\): "):
        layers.load(weights | {"conv1/kernel": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match=r"^The array conv9/kernel is unknown: "):
        layers.load(weights | {"conv9/kernel": np.zeros(3, np.float32)})
    assert all(np.array_equal(weight, before[name]) for name, weight in layers.weights().items())


def test_initial_weights_depend_on_the_seed_alone() -> None:
    import keras

    keras.utils.set_random_seed(11)
    first = build_model(ARCHITECTURE, seed=2)[1].weights()
    again, other = (build_model(ARCHITECTURE, Precision.BF16, seed=seed)[1].weights() for seed in (2, 3))
    kernels = [name for name in first if name.endswith("/kernel")]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in kernels)
    assert len({first[name].tobytes() for name in kernels}) == len(kernels) == 54


def test_kernels_are_drawn_as_he_et_al_have_it() -> None:
    weights = build_model(Architecture(width=64, classes=11, image_size=32))[1].weights()
    for name in ("conv1/kernel", "stage3/block2/conv2/kernel", "stage5/block1/projection/kernel"):
        fan_in = np.prod(weights[name].shape[:-1])
        assert weights[name].std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.03)
        assert abs(weights[name].mean()) < 0.05 * weights[name].std()
    assert weights["dense/kernel"].std() == pytest.approx(0.01, rel=0.03)


def test_blocks_start_as_identity() -> None:
    _, layers = build_model(ARCHITECTURE)
    layers.start_blocks_as_identity()
    weights = layers.weights()
    last = [name for name in weights if name.endswith("/conv3/gamma")]
    assert len(last) == 16
    assert not any(weights[name].any() for name in last)
    assert all(weights[name].all() for name in weights if name.endswith("/gamma") and name not in last)
