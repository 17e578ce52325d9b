"""Read a rank's records in the order of an epoch, still encoded, and find the one that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from resnet_fixtures.data.diagnosis import diagnose_record, explain_failure, word_error
from resnet_fixtures.data.pipeline import make_strings
from resnet_fixtures.errors import DataError
from resnet_fixtures.training.shard_order import draw

if TYPE_CHECKING:
    import tensorflow as tf

    from resnet_fixtures.data.split import Split
    from resnet_fixtures.training.shard_order import ShardOrder

WAITING_RECORDS = 1500  # in the buffer that shuffles them, as in the reference
GRAPH_SEED = 1  # any but 0, behind which TensorFlow wants to know the other one before there is a value


def read_records(order: ShardOrder, positions: range) -> tf.data.Dataset:
    """Give (position, (number, record)) for the given positions of the shuffled epoch.

    `number` counts the records as they are read, before they pass the buffer, see `ShardOrder.name_place`.
    """
    import tensorflow as tf

    passes = order.list_passes(positions.stop)
    files = tf.stack([make_strings(names) for names in passes])
    seeds = tf.constant([draw("records", order.seed, order.epoch, order.rank, n) for n in range(len(passes))])
    starts = tf.range(len(passes), dtype=tf.int64) * order.held

    def read_pass(names: tf.Tensor, seed: tf.Tensor, start: tf.Tensor) -> tf.data.Dataset:
        # In this function's graph alone: else what the process has set for all its randomness would change the order.
        tf.compat.v1.set_random_seed(GRAPH_SEED)
        return tf.data.TFRecordDataset(names).enumerate(start).shuffle(WAITING_RECORDS, seed)

    passed = tf.data.Dataset.from_tensor_slices((files, seeds, starts))
    shuffled = passed.flat_map(tf.autograph.experimental.do_not_convert(read_pass)).enumerate()
    return shuffled.take(positions.stop).skip(positions.start)


def explain_fault(order: ShardOrder, positions: range, reason: str) -> DataError:
    """Say which record failed at one of the positions, or which one cannot be read at all, and why.

    Where none fails any more, the pipeline's own reason is what there is to tell.
    """
    import tensorflow as tf

    try:
        for _, (number, record) in read_records(order, positions):
            fault = diagnose_record(record.numpy())
            if fault:
                return DataError(f"{order.name_place(int(number))}: {fault}; copy or convert that file again.")
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        return _explain_unreadable(order, word_error(error))
    return DataError(f"{order.split.describe()}: reading failed ({reason}); try again.")


def _explain_unreadable(order: ShardOrder, reason: str) -> DataError:
    import tensorflow as tf

    for file in order.dealt:
        alone = _take_file(order.split, file)
        try:
            for _ in tf.data.TFRecordDataset(make_strings(alone.files)):
                pass
        except (tf.errors.OpError, UnicodeDecodeError):
            return explain_failure(alone, 0, reason)
    return DataError(f"{order.split.describe()}: reading failed ({reason}); try again.")


def _take_file(split: Split, file: int) -> Split:
    return replace(
        split, files=split.files[file : file + 1], counts=split.counts[file : file + 1],
        sizes_bytes=split.sizes_bytes[file : file + 1], checksums=split.checksums[file : file + 1],
    )  # fmt: skip
