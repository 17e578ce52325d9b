from __future__ import annotations

import os
from pathlib import Path

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.output_folder import check_folder


def test_a_folder_that_can_be_made_is_fine_and_is_not_made(tmp_path: Path) -> None:
    check_folder("--output-dir", tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^--checkpoint .*/file/a: .*/file is no folder: pass a folder that you may"):
        check_folder("--checkpoint", tmp_path / "file" / "a")


def test_a_folder_that_even_root_may_not_write_is_named() -> None:
    with pytest.raises(InputError, match=r"^--output-dir /proc/results: /proc cannot be written \(.+\): pass a folder"):
        check_folder("--output-dir", Path("/proc/results"))


@pytest.mark.parametrize("name", ["a" * 256, "ä" * 128])
def test_a_name_that_is_too_long_is_told_before_it_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"^--output-dir .*: a name in it has more than 255 bytes: pass a shorter one"):
        check_folder("--output-dir", tmp_path / "missing" / name / "below")


def test_a_path_that_is_too_long_is_told_before_it_is_made(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^--output-dir .{60}…: the whole path has \d{5} bytes, over 3839: pass a shorter"
    ):
        check_folder("--output-dir", tmp_path / ("a/" * 5000))
    with pytest.raises(InputError, match=r"the whole path has \d{5} bytes"):
        check_folder("--output-dir", Path("a/" * 5000))
    assert list(tmp_path.iterdir()) == []


def test_the_longest_path_that_is_taken_has_room_for_the_longest_name(tmp_path: Path) -> None:
    missing = 3839 - len(os.fsencode(tmp_path))
    longest = tmp_path.joinpath(*["a" * 99] * (missing // 100 - 1), "a" * (99 + missing % 100))
    with pytest.raises(InputError, match=r"the whole path has 3840 bytes, over 3839"):
        check_folder("--output-dir", longest.with_name(longest.name + "a"))
    check_folder("--output-dir", longest)
    longest.mkdir(parents=True)
    (longest / ("f" * 255)).touch()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"^--output-dir .*/a: .* cannot be written .+: pass a folder that you may"):
        check_folder("--output-dir", tmp_path / "a")
