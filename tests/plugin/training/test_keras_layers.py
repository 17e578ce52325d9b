from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.data.dummy import dummy_images
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


def test_blocks_start_as_identity() -> None:
    _, layers = build_model(ARCHITECTURE)
    layers.start_blocks_as_identity()
    weights = layers.weights()
    last = [name for name in weights if name.endswith("/conv3/gamma")]
    assert len(last) == 16
    assert not any(weights[name].any() for name in last)
    assert all(weights[name].all() for name in weights if name.endswith("/gamma") and name not in last)
