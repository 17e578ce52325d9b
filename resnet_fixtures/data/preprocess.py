"""Turn JPEG bytes into the network's input, exactly as the seed's evaluation does."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import tensorflow as tf

MAX_PIXELS = 100_000_000  # of an image, as it is decoded and as it is resized before the crop
MAX_ASPECT_RATIO = 100
STANDARD_DEVIATIONS = (58.395, 57.12, 57.375)  # torchvision's 0.229, 0.224, 0.225 of 255


class ChannelOrder(str, Enum):
    """Order the colour channels."""

    RGB = "RGB"
    BGR = "BGR"


class Scaling(str, Enum):
    """Map the bytes 0..255 to what the network sees; the first is the seed's."""

    MINUS_MEANS = "0..255 minus the channel means"
    BYTES = "0..255"
    UNIT = "0..1"
    SIGNED_UNIT = "-1..1"
    STANDARDISED = "minus the channel means, divided by the standard deviations"


class Resizing(str, Enum):
    """Bring an image to the network's size; the first is the seed's, all but the last crop the centre."""

    BILINEAR = "bilinear between half-pixel centres"
    CORNER_BILINEAR = "bilinear between pixel corners, as TensorFlow 1 did"
    AREA = "area average, as MLPerf's reference does"
    STRETCHED = "bilinear, the whole image stretched to a square"


@dataclass(frozen=True)
class Preprocessing:
    """Say how an image becomes the network's input; the defaults are the seed's for ImageNet.

    `resize_side` is the length in pixels of the short side before the centre crop of `image_size`.
    """

    image_size: int = 224
    resize_side: int = 256
    channel_means: tuple[float, float, float] = (123.68, 116.78, 103.94)
    channel_order: ChannelOrder = ChannelOrder.RGB
    scaling: Scaling = Scaling.MINUS_MEANS
    resizing: Resizing = Resizing.BILINEAR

    def __post_init__(self) -> None:
        if not 0 < self.image_size <= self.resize_side:
            raise ValueError(f"a crop of {self.image_size} does not fit into a short side of {self.resize_side}")

    @property
    def mean_image(self) -> npt.NDArray[np.float32]:
        """Return the channel means as an image of their own, [image_size, image_size, 3].

        TensorFlow takes ten times as long to spread three numbers over the pixels.
        """
        return np.broadcast_to(np.array(self.channel_means, np.float32), (self.image_size, self.image_size, 3))

    @classmethod
    def for_image_size(cls, image_size: int) -> Preprocessing:
        """Keep the proportion 256:224 between short side and crop."""
        return cls(image_size=image_size, resize_side=round(image_size * 256 / 224))


SEED_PREPROCESSING = Preprocessing()


def decode_and_preprocess(jpeg: tf.Tensor, preprocessing: Preprocessing = SEED_PREPROCESSING) -> tf.Tensor:
    """Decode one JPEG (a scalar string) to float32 [image_size, image_size, 3].

    Bytes that are no JPEG, a corrupt one, or one that declares more than MAX_PIXELS, would be resized to more, or has a
    side more than MAX_ASPECT_RATIO times the other end in tf.errors.InvalidArgumentError, before any memory is taken
    for pixels.
    """
    import tensorflow as tf

    with tf.control_dependencies([_check_declared_size(jpeg, preprocessing.resize_side)]):
        pixels = tf.io.decode_jpeg(jpeg, channels=3, fancy_upscaling=False, dct_method="INTEGER_FAST")
    image = _scale(_crop_centre(_resize(pixels, preprocessing), preprocessing.image_size), preprocessing)
    return tf.reverse(image, [-1]) if preprocessing.channel_order is ChannelOrder.BGR else image


def is_acceptable_size(height: int, width: int) -> bool:
    """Tell whether an image of that many pixels may be decoded; both a Python number and a tensor will do."""
    return (height * width <= MAX_PIXELS) & (height <= MAX_ASPECT_RATIO * width) & (width <= MAX_ASPECT_RATIO * height)


def is_acceptable_shape(height: int, width: int, resize_side: int) -> bool:
    """Tell whether such an image may be resized to a short side of so many pixels; numbers or tensors, as above."""
    square = resize_side**2
    return (square * height <= MAX_PIXELS * width) & (square * width <= MAX_PIXELS * height)


def _check_declared_size(jpeg: tf.Tensor, resize_side: int) -> tf.Operation:
    import tensorflow as tf

    shape = tf.io.extract_jpeg_shape(jpeg, output_type=tf.int64)
    height, width = shape[0], shape[1]
    is_acceptable = is_acceptable_size(height, width) & is_acceptable_shape(height, width, resize_side)
    return tf.debugging.Assert(is_acceptable, ["a JPEG declares too many pixels", shape])


def _resize(pixels: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    import tensorflow as tf

    height_and_width = tf.shape(pixels)[:2]
    # Whole numbers, as in the seed: the short side is exact and the other one truncated.
    size = height_and_width * preprocessing.resize_side // tf.reduce_min(height_and_width)
    match preprocessing.resizing:
        case Resizing.BILINEAR:
            return tf.image.resize(pixels, size)
        case Resizing.CORNER_BILINEAR:
            return tf.raw_ops.ResizeBilinear(images=pixels[tf.newaxis], size=size)[0]
        case Resizing.AREA:
            return tf.image.resize(pixels, size, method="area")
        case Resizing.STRETCHED:
            return tf.image.resize(pixels, [preprocessing.image_size] * 2)


def _crop_centre(image: tf.Tensor, side: int) -> tf.Tensor:
    import tensorflow as tf

    corner = (tf.shape(image)[:2] - side) // 2
    return tf.slice(image, [corner[0], corner[1], 0], [side, side, 3])


def _scale(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    match preprocessing.scaling:
        case Scaling.MINUS_MEANS:
            return image - preprocessing.mean_image
        case Scaling.BYTES:
            return image
        case Scaling.UNIT:
            return image / 255.0
        case Scaling.SIGNED_UNIT:
            return image / 127.5 - 1.0
        case Scaling.STANDARDISED:
            return (image - preprocessing.channel_means) / STANDARD_DEVIATIONS
