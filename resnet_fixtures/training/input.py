"""Give a rank the batches that it trains on: records in a shuffled order, decoded and augmented, or dummies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from resnet_fixtures.data.diagnosis import word_error
from resnet_fixtures.data.imagenet import index_labels
from resnet_fixtures.data.pipeline import PREFETCHED_BATCHES, make_options, map_in_order, parse_example
from resnet_fixtures.errors import DataError, InputError
from resnet_fixtures.training.augment import decode_and_augment
from resnet_fixtures.training.dummies import Dummies, count_dummies
from resnet_fixtures.training.record_stream import explain_fault, read_records
from resnet_fixtures.training.shard_order import ShardOrder, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import tensorflow as tf

    from resnet_fixtures.data.split import Split
    from resnet_fixtures.training.recipe import Recipe


@dataclass(frozen=True)
class TrainingInput:
    """The training set as one rank of a recipe sees it, decoded on `data_threads` threads; without a split, dummies.

    Fewer files than ranks are an InputError.
    """

    recipe: Recipe
    split: Split | None
    rank: int
    data_threads: int

    def __post_init__(self) -> None:
        files = len(self.split.files) if self.split else self.recipe.ranks
        if self.split and files < self.recipe.ranks:
            raise InputError(
                f"{self.split.location} has {files} files of the {self.split.name} split for {self.recipe.ranks} "
                "ranks, which read one each at least: start fewer processes or convert the data into more files."
            )

    @property
    def images(self) -> int:
        """Count the images of all ranks."""
        return self.split.images if self.split else count_dummies(self.recipe)

    def batches(self, epoch: int, skip_steps: int = 0) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Give images float32 [B, S, S, 3] and labels int32 [B], indices of the outputs, for each step of an epoch.

        The same recipe, split, rank and epoch give the same batches bit for bit, however many steps are left out at
        the beginning, on whatever threads. A fault of a record or its label is a DataError that names its place.
        """
        if self.split is None:
            yield from self._dummies.batches(self.rank, skip_steps)
        else:
            yield from self._read(self.split, epoch, skip_steps)

    @cached_property
    def _dummies(self) -> Dummies:
        return Dummies(self.recipe)

    def _read(self, split: Split, epoch: int, skip_steps: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        import tensorflow as tf

        order = ShardOrder(split, self.rank, self.recipe.ranks, self.recipe.seed, epoch)
        step, steps = skip_steps, self.recipe.steps_per_epoch(split.images)
        try:
            for images, labels, numbers in self._build_pipeline(order, step, steps):
                name_place = partial(_name_place, order, numbers)
                yield images, tf.constant(index_labels(labels.numpy(), self.recipe.architecture.classes, name_place))
                step += 1
        except (tf.errors.OpError, UnicodeDecodeError) as error:
            batch = range(step * self.recipe.batch_size, (step + 1) * self.recipe.batch_size)
            raise explain_fault(order, batch, word_error(error)) from error
        if step < steps:
            raise DataError(
                f"{split.describe()}: the images ended after {step} of {steps} steps; "
                "leave the files alone during a run."
            )

    def _build_pipeline(self, order: ShardOrder, first_step: int, steps: int) -> tf.data.Dataset:
        """Give images, labels as stored, and the numbers of the images in reading order."""
        size = self.recipe.batch_size
        records = read_records(order, range(first_step * size, steps * size))
        decoded = map_in_order(records, self._make_decoder(order), self.data_threads)
        batches = decoded.batch(size, drop_remainder=True)
        return batches.prefetch(PREFETCHED_BATCHES).with_options(make_options(self.data_threads))

    def _make_decoder(self, order: ShardOrder) -> Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        import tensorflow as tf

        key = draw("augmentation", order.seed, order.epoch, order.rank)

        def decode(position: tf.Tensor, read: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            number, record = read
            jpeg, label, _ = parse_example(record)
            seed = tf.stack([tf.constant(key, tf.int64), position])
            size = self.recipe.architecture.image_size
            return decode_and_augment(jpeg, self.recipe.augmentation, size, seed), label, number

        return decode


def _name_place(order: ShardOrder, numbers: tf.Tensor, position: int) -> str:
    return order.name_place(int(numbers[position]))
