from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.unique_file import reserve_file, write_new_file
from tests.plugin.full_disk import full_disk

if TYPE_CHECKING:
    from pathlib import Path


def test_names_are_numbered_from_the_second_on(tmp_path: Path) -> None:
    names = [reserve_file(tmp_path, "run", ".log").name for _ in range(3)]
    assert names == ["run.log", "run_1.log", "run_2.log"]


def test_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "run.log").write_text("precious")
    assert reserve_file(tmp_path, "run", ".log").name == "run_1.log"
    assert (tmp_path / "run.log").read_text() == "precious"


def test_no_two_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: reserve_file(tmp_path / "new" / "folder", "run", ".txt"), range(32)))
    assert len(set(paths)) == 32
    assert all(path.read_bytes() == b"" for path in paths)


def test_folder_that_cannot_be_written_is_the_user_s_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = r"^--output-dir .*/file/below cannot be written \(Not a directory\): pass a folder that you may write"
    with pytest.raises(InputError, match=message):
        reserve_file(tmp_path / "file" / "below", "run", ".log")


@pytest.mark.parametrize("has_links", [True, False])
def test_new_file_is_whole_under_the_first_free_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_link)
    names = [write_new_file(tmp_path, "run", ".json", str(number).encode()).name for number in range(3)]
    assert names == ["run.json", "run_1.json", "run_2.json"]
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == dict(zip(names, "012", strict=True))


def refuse_link(*_: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_name_is_never_there_without_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    link = os.link

    def look_first(temporary: Path, path: Path) -> None:
        seen.append([file.name for file in tmp_path.iterdir() if not file.name.startswith(".")])
        assert temporary.read_bytes() == b"{}"
        link(temporary, path)

    monkeypatch.setattr(os, "link", look_first)
    write_new_file(tmp_path, "run", ".json", b"{}")
    assert seen == [[]]


def test_file_that_cannot_be_written_leaves_no_name_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"), full_disk(10):
        write_new_file(tmp_path, "run", ".json", bytes(100))
    assert list(tmp_path.iterdir()) == []
    assert write_new_file(tmp_path, "run", ".json", b"{}").read_bytes() == b"{}"
