from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.kernel_file import read_number, read_text

if TYPE_CHECKING:
    from pathlib import Path


def test_text_is_stripped(tmp_path: Path) -> None:
    (tmp_path / "governor").write_text("performance\n")
    assert read_text(tmp_path / "governor") == "performance"


def test_missing_file_and_folder_are_empty(tmp_path: Path) -> None:
    assert read_text(tmp_path / "absent") == ""
    assert read_text(tmp_path) == ""


def test_bytes_that_are_no_text_do_not_stop_us(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"CPU\xff\n")
    assert read_text(tmp_path / "model") == "CPU\ufffd"


@pytest.mark.parametrize(("text", "number"), [("42\n", 42), ("-1\n", -1), ("0\n", 0), ("max\n", None), ("", None)])
def test_number(tmp_path: Path, text: str, number: int | None) -> None:
    (tmp_path / "file").write_text(text)
    assert read_number(tmp_path / "file") == number


def test_number_of_missing_file(tmp_path: Path) -> None:
    assert read_number(tmp_path / "absent") is None
