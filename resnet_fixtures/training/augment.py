"""Turn a training image's JPEG bytes into the network's input, changed a little: as a number says, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_fixtures.data.preprocess import Preprocessing, decode_and_preprocess, is_acceptable_size
from resnet_fixtures.training.recipe import Augmentation

if TYPE_CHECKING:
    import tensorflow as tf

# The reference's (mlperf_resnet/imagenet_preprocessing.py), after Szegedy et al. 2014 (arXiv:1409.4842).
MIN_OBJECT_COVERED = 0.1
ASPECT_RATIO_RANGE = (0.75, 1.33)
AREA_RANGE = (0.05, 1.0)
MAX_ATTEMPTS = 100

SHIFT_PIXELS = 2
NEXT_DRAW = (1, 0)  # added to a seed for the second thing that is drawn from it


def decode_and_augment(jpeg: tf.Tensor, augmentation: Augmentation, image_size: int, seed: tf.Tensor) -> tf.Tensor:
    """Decode one JPEG (a scalar string) to float32 [image_size, image_size, 3], minus the channel means.

    What is random depends on `seed`, int64 [2], alone. Bytes that are no JPEG, a corrupt one, or one of unacceptable
    declared size end in tf.errors.InvalidArgumentError, the size before any memory is taken for pixels. Of a cropped
    image only the rows down to the crop's last are decoded, and so only a fault in them is seen.
    """
    preprocessing = Preprocessing.for_image_size(image_size)
    match augmentation:
        case Augmentation.CROP_AND_FLIP:
            return _crop_and_flip(jpeg, preprocessing, seed)
        case Augmentation.SHIFT:
            return _shift(decode_and_preprocess(jpeg, preprocessing), seed)
        case Augmentation.NONE:
            return decode_and_preprocess(jpeg, preprocessing)


def _crop_and_flip(jpeg: tf.Tensor, preprocessing: Preprocessing, seed: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    pixels = tf.image.decode_and_crop_jpeg(jpeg, _draw_window(jpeg, seed), channels=3)
    image = tf.image.resize(pixels, [preprocessing.image_size] * 2)
    return tf.image.stateless_random_flip_left_right(image, seed + NEXT_DRAW) - preprocessing.mean_image


def _draw_window(jpeg: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw top, left, height and width of a crop, int32 [4]."""
    import tensorflow as tf

    shape = tf.io.extract_jpeg_shape(jpeg)
    sides = tf.cast(shape, tf.int64)
    check = tf.debugging.Assert(is_acceptable_size(sides[0], sides[1]), ["a JPEG declares too many pixels", shape])
    with tf.control_dependencies([check]):
        corner, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            shape, tf.zeros([1, 0, 4]), seed, MIN_OBJECT_COVERED, ASPECT_RATIO_RANGE, AREA_RANGE, MAX_ATTEMPTS,
            use_image_if_no_bounding_boxes=True,
        )  # fmt: skip
    return tf.concat([corner[:2], size[:2]], 0)


def _shift(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    margins = [[SHIFT_PIXELS] * 2, [SHIFT_PIXELS] * 2, [0, 0]]
    corner = tf.random.stateless_uniform([2], seed, 0, 2 * SHIFT_PIXELS + 1, tf.int32)
    return tf.slice(tf.pad(image, margins, mode="REFLECT"), [corner[0], corner[1], 0], image.shape)
