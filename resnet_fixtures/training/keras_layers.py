"""The architecture as a Keras 3 model, and its weights by the names that `graph.weights` uses."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.resnet50 import Architecture, resnet50
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import numpy as np
    import numpy.typing as npt

DENSE_STDDEV = 0.01
POLICIES = {Precision.FP32: "float32", Precision.BF16: "mixed_bfloat16"}
ROLES = {
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
}


class KerasLayers:
    """Layers of a Keras functional model; `named` keeps each layer that has weights under its architecture's name.

    Each kernel is drawn from the seed and its own name. With bf16 the variables are float32 and cast where they are
    read, but for batch norm's; activations are bfloat16.
    """

    def __init__(self, precision: Precision, seed: int, *, freeze_batch_norm: bool) -> None:
        self.named: dict[str, list[keras.Layer]] = {}
        self._policy = POLICIES[precision]
        self._seed = seed
        self._freeze_batch_norm = freeze_batch_norm

    def convolution(self, images: Any, name: str, filters: int, kernel: int, stride: int, *, relu: bool) -> Any:
        import keras

        from resnet_fixtures.training.fused_layers import BatchNormalization, Convolution

        initializer = keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal", self._layer_seed(name))
        convolution = Convolution(filters, kernel, stride, initializer, dtype=self._policy)
        norm = BatchNormalization(frozen=self._freeze_batch_norm, dtype=self._policy)
        self.named[name] = [convolution, norm]
        normalised = norm(convolution(images))
        return keras.layers.ReLU(dtype=self._policy)(normalised) if relu else normalised

    def max_pool(self, images: Any) -> Any:
        from resnet_fixtures.training.fused_layers import MaxPool

        return MaxPool(dtype=self._policy)(images)

    def add_relu(self, residual: Any, shortcut: Any, name: str) -> Any:
        import keras

        added = keras.layers.Add(dtype=self._policy)([residual, shortcut])
        return keras.layers.ReLU(dtype=self._policy)(added)

    def average_pool(self, images: Any) -> Any:
        import keras

        return keras.layers.GlobalAveragePooling2D(dtype=self._policy)(images)

    def dense(self, features: Any, name: str, classes: int) -> Any:
        import keras

        initializer = keras.initializers.RandomNormal(stddev=DENSE_STDDEV, seed=self._layer_seed(name))
        dense = keras.layers.Dense(classes, kernel_initializer=initializer, dtype=self._policy)
        self.named[name] = [dense]
        return keras.layers.Activation("linear", dtype="float32")(dense(features))

    def start_blocks_as_identity(self) -> None:
        """Set each block's last gamma to zero, which steadies the start (Goyal et al. 2017, arXiv:1706.02677)."""
        for name, layers in self.named.items():
            if name.endswith("/conv3"):
                _, norm = layers
                norm.gamma.assign(norm.gamma * 0)

    def variables(self) -> dict[str, keras.Variable]:
        """Return the variables by the names of `graph.weights`, in the order of the architecture."""
        return {
            f"{name}/{ROLES[variable.name]}": variable
            for name, layers in self.named.items()
            for layer in layers
            for variable in layer.variables
            if variable.name in ROLES
        }

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the present values, ready for `graph.weights.stored_weights`."""
        return {name: variable.numpy() for name, variable in self.variables().items()}

    def load(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Take the values that `weights` gave; other names or shapes are an InputError, and nothing is changed."""
        variables = self.variables()
        check_arrays(weights, {name: tuple(variable.shape) for name, variable in variables.items()})
        for name, variable in variables.items():
            variable.assign(weights[name])

    def _layer_seed(self, name: str) -> int:
        return zlib.crc32(f"{self._seed}/{name}".encode())


def build_model(
    architecture: Architecture,
    precision: Precision = Precision.FP32,
    *,
    freeze_batch_norm: bool = False,
    seed: int = 0,
) -> tuple[keras.Model, KerasLayers]:
    """Return a model from float32 images [N, S, S, 3] to float32 logits [N, classes], and its layers by name.

    The initial weights depend on `seed` and architecture alone.
    """
    import keras

    layers = KerasLayers(precision, seed, freeze_batch_norm=freeze_batch_norm)
    images = keras.Input((architecture.image_size, architecture.image_size, 3), dtype="float32")
    return keras.Model(images, resnet50(layers, images, architecture)), layers


def check_arrays(arrays: Mapping[str, npt.NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise an InputError that names an array which is missing, too many, or of another shape."""
    cure = "pass a checkpoint of this architecture"
    for name, shape in shapes.items():
        if name not in arrays:
            raise InputError(f"The array {name} is missing: {cure}.")
        if arrays[name].shape != shape:
            raise InputError(f"The array {name} has shape {arrays[name].shape} instead of {shape}: {cure}.")
    unknown = sorted(set(arrays) - set(shapes))
    if unknown:
        raise InputError(f"The array {unknown[0]} is unknown: {cure}.")
