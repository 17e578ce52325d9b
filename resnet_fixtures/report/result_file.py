"""Write a result's fields beside the log of its run."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from resnet_fixtures.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_result(log_path: Path, fields: Mapping[str, object], created: datetime | None = None) -> Path:
    """Write the fields under the log's name with .json, and `created`, which is now unless another time is given.

    Returns the path. A value that JSON does not have is a ValueError; InputError if the disk refuses.
    """
    path = log_path.with_suffix(".json")
    dated = {"created": (created or datetime.now().astimezone()).isoformat(), **fields}
    write_atomically(path, json.dumps(dated, indent=2, allow_nan=False).encode() + b"\n")
    return path
