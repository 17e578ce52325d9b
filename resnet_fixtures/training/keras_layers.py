"""The architecture as a Keras 3 model, and its weights by the names that `graph.weights` uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from resnet_fixtures.graph.resnet50 import BATCH_NORM_EPSILON, Architecture, resnet50

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt

BATCH_NORM_MOMENTUM = 0.9  # as MLPerf's reference has it
DENSE_STDDEV = 0.01
ROLES = {
    "kernel": "kernel",
    "bias": "bias",
    "gamma": "gamma",
    "beta": "beta",
    "moving_mean": "mean",
    "moving_variance": "variance",
}


class KerasLayers:
    """Layers of a Keras functional model; `named` keeps each layer that has weights under its architecture's name."""

    def __init__(self) -> None:
        self.named: dict[str, list[keras.Layer]] = {}

    def convolution(self, images: Any, name: str, filters: int, kernel: int, stride: int, *, relu: bool) -> Any:
        import keras

        padded = keras.layers.ZeroPadding2D(kernel // 2)(images) if kernel > 1 else images
        convolution = keras.layers.Conv2D(
            filters, kernel, stride, padding="valid", use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_in", "truncated_normal"),
        )  # fmt: skip
        norm = keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON)
        self.named[name] = [convolution, norm]
        normalised = norm(convolution(padded))
        return keras.layers.ReLU()(normalised) if relu else normalised

    def max_pool(self, images: Any) -> Any:
        import keras

        return keras.layers.MaxPooling2D(3, 2, padding="valid")(keras.layers.ZeroPadding2D(1)(images))

    def add_relu(self, residual: Any, shortcut: Any, name: str) -> Any:
        import keras

        return keras.layers.ReLU()(keras.layers.Add()([residual, shortcut]))

    def average_pool(self, images: Any) -> Any:
        import keras

        return keras.layers.GlobalAveragePooling2D()(images)

    def dense(self, features: Any, name: str, classes: int) -> Any:
        import keras

        dense = keras.layers.Dense(classes, kernel_initializer=keras.initializers.RandomNormal(stddev=DENSE_STDDEV))
        self.named[name] = [dense]
        return dense(features)

    def start_blocks_as_identity(self) -> None:
        """Set each block's last gamma to zero, which steadies the start (Goyal et al. 2017, arXiv:1706.02677)."""
        for name, layers in self.named.items():
            if name.endswith("/conv3"):
                _, norm = layers
                norm.gamma.assign(norm.gamma * 0)

    def weights(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the present values, ready for `graph.weights.stored_weights`."""
        return {
            f"{name}/{ROLES[variable.name]}": variable.numpy()
            for name, layers in self.named.items()
            for layer in layers
            for variable in layer.variables
            if variable.name in ROLES
        }


def build_model(architecture: Architecture) -> tuple[keras.Model, KerasLayers]:
    """Return a model from images [N, S, S, 3] to logits [N, classes], and its layers by name."""
    import keras

    layers = KerasLayers()
    images = keras.Input((architecture.image_size, architecture.image_size, 3))
    return keras.Model(images, resnet50(layers, images, architecture)), layers
