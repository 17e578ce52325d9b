"""TensorBoard's event files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from resnet_fixtures.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Board:
    """Writes scalars by step; a folder that cannot be written is an InputError."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._writer: Any = tf.summary.create_file_writer(os.fsencode(folder))  # it may be no UTF-8
        except (OSError, tf.errors.OpError) as error:
            raise InputError(f"--tensorboard {folder} cannot be written ({error}): name another folder.") from error

    def write(self, step: int, **scalars: float) -> None:
        """Write each value under its name."""
        import tensorflow as tf

        metadata = _scalar_metadata()
        with self._writer.as_default(step):
            for name, value in scalars.items():
                tf.summary.write(name, tf.constant(value, tf.float32), metadata=metadata)

    def __enter__(self) -> Board:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()


def _scalar_metadata() -> Any:
    """Say what tf.summary.scalar says; that one needs TensorBoard, which only who looks at the files has to have."""
    from tensorflow.core.framework.summary_pb2 import DATA_CLASS_SCALAR, SummaryMetadata

    plugin = SummaryMetadata.PluginData(plugin_name="scalars")
    return SummaryMetadata(plugin_data=plugin, data_class=DATA_CLASS_SCALAR)
