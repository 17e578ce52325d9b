from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.json_file import MAX_BYTES, list_json, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.json"


def test_json_is_read(path: Path) -> None:
    path.write_text('{"a": [1, 2.5, null, "\N{SNOWMAN}"]}', encoding="utf-8")
    assert read_json(path) == {"a": [1, 2.5, None, "\N{SNOWMAN}"]}


def test_numbers_that_are_not_finite_are_none(path: Path) -> None:
    path.write_text("[NaN, Infinity, -Infinity, 1e999, -1e999, 1e308]")
    assert read_json(path) == [None, None, None, None, None, 1e308]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"a": 1}}', b"\xff\xfe", b"[" * 200_000, b"9" * 5000],
    ids=["empty", "truncated", "more", "bytes", "deep", "digits"],
)
def test_damaged_content_is_named_with_the_cure(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json is damaged \(.+\): restore it from a copy, or delete it") as error:
        read_json(path)
    assert "\n" not in str(error.value)


def test_missing_file(path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json does not exist: write a baseline with --gate-update, or a run wi"):
        read_json(path)


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no regular file: pass one that --gate, --gate-update or --benchmark-js"):
        read_json(tmp_path)


def test_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(InputError, match=r"run\.json is no regular file"):
        read_json(path)


def test_huge_file_is_not_read(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + (1 << 20))  # a hole, which takes no room
    with pytest.raises(InputError, match=r"run\.json has 129 MiB, where no run has more than 128: pass a file that"):
        read_json(path)


def test_path_that_the_system_refuses(path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(File name too long\): pass a file that you may read"):
        read_json(path.with_name("x" * 300))


def test_files_are_listed_with_those_of_the_folders_in_it(tmp_path: Path) -> None:
    for name in ("0002_b.json", "machine/0001_a.json", "machine/deeper/0003_c.json", "machine/0001_a.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list_json(tmp_path) == [tmp_path / "0002_b.json", tmp_path / "machine/0001_a.json"]
    assert list_json(tmp_path, "0001*.json") == [tmp_path / "machine/0001_a.json"]


def test_closed_folder_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "machine").mkdir()
    list_folder = Path.iterdir

    def refuse(folder: Path) -> Iterator[Path]:
        if folder.name == "machine":
            raise PermissionError(errno.EACCES, "Permission denied")
        return list_folder(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"machine cannot be read \(Permission denied\)"):
        list_json(tmp_path)
