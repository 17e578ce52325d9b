from __future__ import annotations

from pathlib import Path

import pytest

from resnet_fixtures.paths import find_storage_folder


@pytest.mark.parametrize(
    ("storage", "folder"),
    [
        ("stored", Path("stored")),
        ("file://stored", Path("stored")),
        ("file:///tmp/stored", Path("/tmp/stored")),  # noqa: S108 - nothing is written
        ("elasticsearch+http://host/index", None),
    ],
)
def test_folder_of_a_storage(storage: str, folder: Path | None) -> None:
    assert find_storage_folder(storage) == folder
