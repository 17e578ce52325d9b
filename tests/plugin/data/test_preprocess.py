from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.data.preprocess import (
    MAX_PIXELS,
    ChannelOrder,
    Preprocessing,
    Resizing,
    Scaling,
    decode_and_preprocess,
    is_acceptable_shape,
    is_acceptable_size,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from tests.plugin.data.conftest import JpegMaker, SizeForger

    Image = npt.NDArray[np.float64]

MEANS = (123.68, 116.78, 103.94)
TOLERANCE = 0.03  # of 255: what float32 does to positions of several hundred pixels
SIZES = [(427, 640), (351, 233), (257, 255), (256, 256), (1, 1), (2, 3), (3, 2), (9, 300), (300, 9), (224, 225)]


def decode(jpeg: bytes) -> Image:
    import tensorflow as tf

    pixels = tf.io.decode_jpeg(jpeg, channels=3, fancy_upscaling=False, dct_method="INTEGER_FAST")
    decoded: Image = pixels.numpy().astype(np.float64)
    return decoded


def interpolate(lines: Image, count: int, shift: float) -> Image:
    """Interpolate `count` lines (axis 0) linearly; shift 0.5 is half-pixel centres, 0 is pixel corners."""
    position = (np.arange(count) + shift) * len(lines) / count - shift
    below = np.floor(position).astype(int)
    weight = (position - below)[:, None, None]
    low, high = (np.clip(below + step, 0, len(lines) - 1) for step in (0, 1))
    blended: Image = lines[low] * (1 - weight) + lines[high] * weight
    return blended


def resize(image: Image, height: int, width: int, shift: float = 0.5) -> Image:
    rows = interpolate(image, height, shift)
    return interpolate(rows.swapaxes(0, 1), width, shift).swapaxes(0, 1)


def resize_short_side(image: Image, side: int, shift: float = 0.5) -> Image:
    height, width = image.shape[:2]
    if height < width:
        return resize(image, side, int(side * width / height), shift)
    return resize(image, int(side * height / width), side, shift)


def crop(image: Image, side: int) -> Image:
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_seed_preprocessing_agrees_with_plain_numpy(
    height: int, width: int, channels: int, make_jpeg: JpegMaker
) -> None:
    jpeg = make_jpeg(height, width, channels)
    image = decode_and_preprocess(jpeg).numpy()
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, crop(resize_short_side(decode(jpeg), 256), 224) - MEANS, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("image_size", [64, 33, 299])
def test_other_image_sizes_agree_with_plain_numpy(image_size: int, make_jpeg: JpegMaker) -> None:
    preprocessing = Preprocessing.for_image_size(image_size)
    jpeg = make_jpeg(231, 345)
    expected = crop(resize_short_side(decode(jpeg), preprocessing.resize_side), image_size) - MEANS
    image = decode_and_preprocess(jpeg, preprocessing)
    np.testing.assert_allclose(image, expected, rtol=0, atol=TOLERANCE)


def test_an_image_of_the_right_size_is_cropped_without_any_rounding(make_jpeg: JpegMaker) -> None:
    jpeg = make_jpeg(256, 300)
    expected = decode(jpeg).astype(np.float32)[16:240, 38:262] - np.array(MEANS, dtype=np.float32)
    np.testing.assert_array_equal(decode_and_preprocess(jpeg), expected)


@pytest.mark.parametrize("side", [41, 47, 610])
def test_short_side_is_exact_where_floating_point_would_lose_a_pixel(side: int) -> None:
    import tensorflow as tf

    white = np.full((side, side, 3), 255, dtype=np.uint8)
    image = decode_and_preprocess(tf.io.encode_jpeg(white), Preprocessing(image_size=256))
    assert image.shape == (256, 256, 3)


def test_for_image_size_keeps_the_proportion() -> None:
    assert Preprocessing.for_image_size(224) == Preprocessing()
    assert [Preprocessing.for_image_size(n).resize_side for n in (64, 160, 299)] == [73, 183, 342]


def test_a_crop_larger_than_the_short_side_is_refused() -> None:
    with pytest.raises(ValueError, match="a crop of 257 does not fit into a short side of 256"):
        Preprocessing(image_size=257)


def test_bgr_is_rgb_backwards_means_included(make_jpeg: JpegMaker) -> None:
    jpeg = make_jpeg(300, 310)
    rgb = decode_and_preprocess(jpeg).numpy()
    bgr = decode_and_preprocess(jpeg, Preprocessing(channel_order=ChannelOrder.BGR)).numpy()
    np.testing.assert_array_equal(bgr, rgb[..., ::-1])


@pytest.mark.parametrize(
    ("scaling", "of_black", "of_white"),
    [
        (Scaling.MINUS_MEANS, (-123.68, -116.78, -103.94), (131.32, 138.22, 151.06)),
        (Scaling.BYTES, (0, 0, 0), (255, 255, 255)),
        (Scaling.UNIT, (0, 0, 0), (1, 1, 1)),
        (Scaling.SIGNED_UNIT, (-1, -1, -1), (1, 1, 1)),
        (Scaling.STANDARDISED, (-2.118, -2.0445, -1.8124), (2.2488, 2.4198, 2.6329)),
    ],
)
def test_scaling(scaling: Scaling, of_black: tuple[float, ...], of_white: tuple[float, ...]) -> None:
    import tensorflow as tf

    for grey, expected in ((0, of_black), (255, of_white)):
        jpeg = tf.io.encode_jpeg(np.full((16, 16, 3), grey, dtype=np.uint8))
        image = decode_and_preprocess(jpeg, Preprocessing(scaling=scaling)).numpy()
        np.testing.assert_allclose(image, np.broadcast_to(expected, image.shape), atol=1e-3)


def test_corner_bilinear_agrees_with_plain_numpy(make_jpeg: JpegMaker) -> None:
    jpeg = make_jpeg(351, 233)
    expected = crop(resize_short_side(decode(jpeg), 256, shift=0), 224) - MEANS
    image = decode_and_preprocess(jpeg, Preprocessing(resizing=Resizing.CORNER_BILINEAR))
    np.testing.assert_allclose(image, expected, rtol=0, atol=TOLERANCE)


def test_area_averages_whole_blocks(make_jpeg: JpegMaker) -> None:
    jpeg = make_jpeg(96, 96)
    blocks = decode(jpeg).reshape(32, 3, 32, 3, 3).mean(axis=(1, 3))
    image = decode_and_preprocess(jpeg, Preprocessing(32, 32, resizing=Resizing.AREA))
    np.testing.assert_allclose(image, blocks - MEANS, rtol=0, atol=TOLERANCE)


def test_stretched_shows_the_whole_image(make_jpeg: JpegMaker) -> None:
    jpeg = make_jpeg(120, 333)
    image = decode_and_preprocess(jpeg, Preprocessing(resizing=Resizing.STRETCHED))
    np.testing.assert_allclose(image, resize(decode(jpeg), 224, 224) - MEANS, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("height", "width"), [(65500, 65500), (10001, 10000), (20200, 200), (200, 20200)])
def test_a_huge_declared_size_is_refused_before_memory_is_taken(
    height: int, width: int, forge_size: SizeForger
) -> None:
    import tensorflow as tf

    jpeg = forge_size(height, width)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tf.errors.InvalidArgumentError, match="declares too many pixels"):
        decode_and_preprocess(jpeg)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_acceptable_sizes() -> None:
    assert is_acceptable_size(10_000, 10_000)
    assert is_acceptable_size(1, 100)
    assert not is_acceptable_size(MAX_PIXELS // 1000 + 1, 1000)
    assert not is_acceptable_size(101, 1)
    assert not is_acceptable_size(1, 101)


def test_an_acceptable_shape_is_resized_to_no_more_pixels_than_may_be_decoded() -> None:
    assert is_acceptable_shape(1, 100, resize_side=1000)
    assert is_acceptable_shape(100, 1, resize_side=1000)
    assert not is_acceptable_shape(1, 100, resize_side=1001)
    assert not is_acceptable_shape(100, 1, resize_side=1001)
    assert is_acceptable_shape(18, 1, Preprocessing.for_image_size(2048).resize_side)


@pytest.mark.parametrize(("height", "width"), [(1, 100), (100, 1)])
def test_a_tiny_image_that_would_be_resized_to_a_huge_one_is_refused_before_memory_is_taken(
    height: int, width: int, make_jpeg: JpegMaker
) -> None:
    import tensorflow as tf

    jpeg = make_jpeg(height, width)
    assert decode_and_preprocess(jpeg).shape == (224, 224, 3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(tf.errors.InvalidArgumentError, match="declares too many pixels"):
        decode_and_preprocess(jpeg, Preprocessing.for_image_size(2048))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


@pytest.mark.parametrize("kept_bytes", [0, 2, 100, 700])
def test_a_jpeg_that_is_cut_off_is_refused(kept_bytes: int, make_jpeg: JpegMaker) -> None:
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)jpeg|empty"):
        decode_and_preprocess(make_jpeg(40, 40)[:kept_bytes])
