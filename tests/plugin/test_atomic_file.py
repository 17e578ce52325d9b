from __future__ import annotations

from pathlib import Path

import pytest

from resnet_fixtures.atomic_file import write_atomically
from resnet_fixtures.errors import InputError
from tests.plugin.full_disk import LIMIT_BYTES, full_disk


def test_content_and_folders_appear(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "graph.pb"
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
    assert [entry.name for entry in path.parent.iterdir()] == ["graph.pb"]


def test_others_may_read_it(tmp_path: Path) -> None:
    write_atomically(tmp_path / "result", b"")
    assert (tmp_path / "result").stat().st_mode & 0o777 == 0o644


def test_permissions_of_what_is_replaced_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.touch(0o600)
    write_atomically(path, b"new content")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_old_content_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "result"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new content")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new content"


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_leaves_the_old_content_and_nothing_else(tmp_path: Path, old: bytes | None) -> None:
    path = tmp_path / "graph.pb"
    if old is not None:
        path.write_bytes(old)
    sentence = r"graph\.pb cannot be written \(File too large\): make room, or name another"
    with pytest.raises(InputError, match=sentence), full_disk():
        write_atomically(path, b"x" * (LIMIT_BYTES + 1))
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == ([] if old is None else [old])


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match=r"taken is no regular file and would be replaced by one: name another"):
        write_atomically(tmp_path / "taken", b"")
    assert [entry.name for entry in tmp_path.iterdir()] == ["taken"]


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^/dev/null is no regular file"):
        write_atomically(Path("/dev/null"), b"")
    (tmp_path / "link").symlink_to("/dev/null")
    with pytest.raises(InputError, match=r"^/dev/null is no regular file"):
        write_atomically(tmp_path / "link", b"")
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    for content in (b"old", b"new"):
        write_atomically(tmp_path / "link", content)
        assert (tmp_path / "target").read_bytes() == content
    assert (tmp_path / "link").is_symlink()


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"graph\.pb cannot be written \(.+\): make room, or name another folder"):
        write_atomically(tmp_path / "file" / "graph.pb", b"")


def test_any_other_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="bytes-like"):
        write_atomically(tmp_path / "result", "text")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
