from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.data.preprocess import SEED_PREPROCESSING, Preprocessing, decode_and_preprocess
from resnet_fixtures.training.augment import decode_and_augment
from resnet_fixtures.training.recipe import Augmentation
from tests.plugin.lazy_tensorflow import tf
from tests.plugin.training.train_split import draw_jpegs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

SIDE = 32
HEIGHT, WIDTH = 100, 200
SEEDS = range(150)
EVALUATION = Preprocessing.for_image_size(SIDE)
FRAME_HEADER = b"\xff\xc0"


def augment(jpeg: bytes, augmentation: Augmentation, position: int, key: int = 7) -> npt.NDArray[np.float32]:
    seed = tf.constant([key, position], tf.int64)
    image: npt.NDArray[np.float32] = decode_and_augment(tf.constant(jpeg), augmentation, SIDE, seed).numpy()
    return image


@pytest.fixture(scope="module")
def ramps() -> bytes:
    """A JPEG whose red is the column and whose green is the row."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[..., 0] = np.arange(WIDTH)
    pixels[..., 1] = np.arange(HEIGHT)[:, None]
    jpeg: bytes = tf.io.encode_jpeg(pixels, quality=100, chroma_downsampling=False).numpy()
    return jpeg


@pytest.fixture(scope="module")
def noise() -> bytes:
    return next(draw_jpegs(1))


@pytest.fixture(scope="module")
def crops(ramps: bytes) -> list[npt.NDArray[np.float32]]:
    """The ramps, cropped and flipped by many seeds, their means added again."""
    return [augment(ramps, Augmentation.CROP_AND_FLIP, seed) + SEED_PREPROCESSING.channel_means for seed in SEEDS]


def measure(crops: list[npt.NDArray[np.float32]]) -> Iterator[tuple[float, float]]:
    """Give width and height of each crop in the original's pixels: a pixel of it spans a step of its ramp."""
    for crop in crops:
        across, down = crop[..., 0].mean(0), crop[..., 1].mean(1)
        yield abs(across[-2] - across[1]) / (SIDE - 3) * SIDE, (down[-2] - down[1]) / (SIDE - 3) * SIDE


def test_a_crop_covers_a_share_of_the_image_in_the_references_range(crops: list[npt.NDArray[np.float32]]) -> None:
    shares = [width * height / (HEIGHT * WIDTH) for width, height in measure(crops)]
    assert 0.04 < min(shares) < 0.15
    assert 0.5 < max(shares) < 1.03


def test_a_crop_has_an_aspect_in_the_references_range(crops: list[npt.NDArray[np.float32]]) -> None:
    aspects = [width / height for width, height in measure(crops)]
    assert 0.7 < min(aspects) < 0.85
    assert 1.2 < max(aspects) < 1.4


def test_crops_come_from_everywhere(crops: list[npt.NDArray[np.float32]]) -> None:
    reds, greens = ([crop[..., channel].mean() for crop in crops] for channel in (0, 1))
    assert min(reds) < 0.3 * WIDTH < 0.7 * WIDTH < max(reds)
    assert min(greens) < 0.4 * HEIGHT < 0.6 * HEIGHT < max(greens)


def test_half_of_the_crops_are_flipped(crops: list[npt.NDArray[np.float32]]) -> None:
    flipped = np.mean([crop[0, 0, 0] > crop[0, -1, 0] for crop in crops])
    assert 0.4 < flipped < 0.6


def test_whether_a_crop_is_flipped_does_not_depend_on_where_it_is(crops: list[npt.NDArray[np.float32]]) -> None:
    flips = [crop[0, 0, 0] > crop[0, -1, 0] for crop in crops]
    for places in ([crop[..., 0].mean() for crop in crops], [width for width, _ in measure(crops)]):
        assert abs(np.corrcoef(flips, places)[0, 1]) < 0.25  # 3 standard deviations of chance


def test_numbers_are_those_of_the_reference(noise: bytes) -> None:
    """Its calls one after the other, with the seeded twins of the random ones."""
    for position in range(10):
        corner, size, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.io.extract_jpeg_shape(noise), tf.constant([[[0.0, 0.0, 1.0, 1.0]]]), [7, position],
            min_object_covered=0.1, aspect_ratio_range=[0.75, 1.33], area_range=[0.05, 1.0], max_attempts=100,
        )  # fmt: skip
        cropped = tf.image.decode_and_crop_jpeg(noise, tf.concat([corner[:2], size[:2]], 0), channels=3)
        expected = tf.image.resize(cropped, [SIDE, SIDE]).numpy() - np.array([123.68, 116.78, 103.94], np.float32)
        found = augment(noise, Augmentation.CROP_AND_FLIP, position)
        assert any(np.array_equal(found, image) for image in (expected, expected[:, ::-1]))


def test_shifts_go_two_pixels_each_way_and_mirror_the_border(noise: bytes) -> None:
    padded = np.pad(decode_and_preprocess(noise, EVALUATION).numpy(), ((2, 2), (2, 2), (0, 0)), mode="reflect")
    expected = {(y, x): padded[y : y + SIDE, x : x + SIDE].tobytes() for y in range(5) for x in range(5)}
    found = [augment(noise, Augmentation.SHIFT, seed).tobytes() for seed in SEEDS]
    assert set(found) == set(expected.values())


def test_nothing_is_what_evaluation_sees(noise: bytes) -> None:
    expected = decode_and_preprocess(noise, EVALUATION).numpy()
    np.testing.assert_array_equal(augment(noise, Augmentation.NONE, 1), expected)


@pytest.mark.parametrize("augmentation", [Augmentation.CROP_AND_FLIP, Augmentation.SHIFT])
def test_the_seed_alone_decides(augmentation: Augmentation, noise: bytes) -> None:
    once = augment(noise, augmentation, 1)
    tf.random.set_seed(3)
    np.testing.assert_array_equal(augment(noise, augmentation, 1), once)
    assert not np.array_equal(augment(noise, augmentation, 2), once)
    assert not np.array_equal(augment(noise, augmentation, 1, key=8), once)


@pytest.mark.parametrize("augmentation", Augmentation)
def test_greyscale_becomes_three_channels(augmentation: Augmentation) -> None:
    grey = tf.io.encode_jpeg(np.full((50, 60, 1), 100, np.uint8)).numpy()
    image = augment(grey, augmentation, 1)
    assert image.dtype == np.float32
    np.testing.assert_allclose(
        image, np.broadcast_to(100 - np.array(SEED_PREPROCESSING.channel_means), (SIDE, SIDE, 3)), atol=0.01
    )


@pytest.mark.parametrize("augmentation", Augmentation)
@pytest.mark.parametrize(("height", "width"), [(65500, 65500), (65500, 1), (1, 65500)])
def test_a_huge_declared_size_takes_no_memory(
    augmentation: Augmentation, height: int, width: int, noise: bytes
) -> None:
    at = noise.index(FRAME_HEADER) + 5
    forged = noise[:at] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + noise[at + 4 :]
    with pytest.raises(tf.errors.InvalidArgumentError, match="declares too many pixels"):
        augment(forged, augmentation, 1)


@pytest.mark.parametrize("augmentation", Augmentation)
@pytest.mark.parametrize("content", [b"", b"no jpeg", FRAME_HEADER])
def test_what_is_no_jpeg_is_refused(augmentation: Augmentation, content: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)jpeg"):
        augment(content, augmentation, 1)


@pytest.mark.parametrize("augmentation", Augmentation)
def test_a_jpeg_that_is_cut_off_is_refused(augmentation: Augmentation, noise: bytes) -> None:
    header = noise.index(b"\xff\xda") + 20  # the first bytes of its pixels, which every crop needs
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"(?i)jpeg"):
        augment(noise[:header], augmentation, 1)
