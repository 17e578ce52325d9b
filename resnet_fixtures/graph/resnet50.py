"""ResNet-50 v1.5: the one definition of the architecture.

He et al. 2015 (arXiv:1512.03385) with the stride of a down-sampling block in its 3x3 convolution instead of its first
1x1, as MLPerf, torchvision and TensorFlow's official models have it. Every convolution pads `kernel // 2` on each
side, and so does the max pool. What a layer *is* (a node of a frozen graph, a Keras layer) is up to the `Layers` that
is passed in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

Tensor = TypeVar("Tensor")

BLOCKS_PER_STAGE = (3, 4, 6, 3)
EXPANSION = 4  # a block's output has this many times the channels of its inner convolutions
BATCH_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Architecture:
    """What may differ: channels of the first convolution, number of classes, and pixels of an image's side."""

    width: int = 64
    classes: int = 1001
    image_size: int = 224

    def as_dict(self) -> dict[str, int]:
        """Return the fields for a cache key or a result."""
        return asdict(self)


class Layers(Protocol[Tensor]):
    """The five kinds of layer that ResNet-50 is made of; tensors are NHWC."""

    def convolution(self, images: Tensor, name: str, filters: int, kernel: int, stride: int, *, relu: bool) -> Tensor:
        """Pad `kernel // 2` on each side, convolve without bias, normalise by batch statistics, then ReLU if asked."""

    def max_pool(self, images: Tensor) -> Tensor:
        """Pad one pixel on each side, then take the maximum of 3x3 windows with stride 2."""

    def add_relu(self, residual: Tensor, shortcut: Tensor, name: str) -> Tensor:
        """Add the two branches of a block, then ReLU."""

    def average_pool(self, images: Tensor) -> Tensor:
        """Average over height and width: [N, H, W, C] to [N, C]."""

    def dense(self, features: Tensor, name: str, classes: int) -> Tensor:
        """Return [N, classes] logits, with bias."""


def resnet50(layers: Layers[Tensor], images: Tensor, architecture: Architecture) -> Tensor:
    """Return the logits [N, classes] of images [N, S, S, 3]."""
    features = layers.convolution(images, "conv1", architecture.width, kernel=7, stride=2, relu=True)
    features = layers.max_pool(features)
    for stage, blocks in enumerate(BLOCKS_PER_STAGE):
        filters = architecture.width * 2**stage
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            features = bottleneck(
                layers, features, f"stage{stage + 2}/block{block + 1}", filters, stride, first=block == 0
            )
    return layers.dense(layers.average_pool(features), "dense", architecture.classes)


def bottleneck(layers: Layers[Tensor], images: Tensor, name: str, filters: int, stride: int, *, first: bool) -> Tensor:
    """Return one block: 1x1, 3x3 (with the stride) and 1x1 beside a shortcut, which a stage's first block projects."""
    widened = filters * EXPANSION
    shortcut = layers.convolution(images, f"{name}/projection", widened, 1, stride, relu=False) if first else images
    residual = layers.convolution(images, f"{name}/conv1", filters, kernel=1, stride=1, relu=True)
    residual = layers.convolution(residual, f"{name}/conv2", filters, kernel=3, stride=stride, relu=True)
    residual = layers.convolution(residual, f"{name}/conv3", widened, kernel=1, stride=1, relu=False)
    return layers.add_relu(residual, shortcut, name)
