from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph import cache
from resnet_fixtures.graph.cache import cache_folder, cached_file, cached_path, digest_key, load_cached, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = {"width": 4, "seed": 0}


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_the_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "resnet_fixtures"


def test_a_file_is_built_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    builds = iter([b"first"])
    path = cached_file(folder, "graph.pb", KEY, lambda: next(builds))
    assert cached_file(folder, "graph.pb", KEY, lambda: next(builds)) == path
    assert path.read_bytes() == b"first"
    assert list_names(folder) == [f"graph-{digest_key(KEY)[:16]}.pb"]


@pytest.mark.parametrize("other", [{"width": 5, "seed": 0}, {"width": 4}, {**KEY, "calibration": 8}])
def test_another_key_is_another_file(tmp_path: Path, other: dict[str, object]) -> None:
    paths = {cached_file(tmp_path, "graph.pb", key, lambda: b"") for key in (KEY, other)}
    assert len(paths) == 2


def test_the_order_of_a_key_does_not_matter() -> None:
    assert digest_key({"seed": 0, "width": 4}) == digest_key(KEY)


def test_another_version_of_a_library_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_key(KEY)
    monkeypatch.setattr(cache, "library_versions", lambda names: dict.fromkeys(names, "99.0"))
    assert digest_key(KEY) != before


def test_another_source_is_another_file(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest_key(KEY)
    monkeypatch.setattr(cache, "_digest_sources", lambda rooms: "changed")
    assert digest_key(KEY) != before


def test_only_the_rooms_that_build_count() -> None:
    assert digest_key(KEY) == digest_key(KEY, ("graph", "data")) != digest_key(KEY, ("graph", "data", "training"))


def test_a_build_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    def fail() -> bytes:
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        cached_file(tmp_path, "graph.pb", KEY, fail)
    assert list_names(tmp_path) == []
    assert cached_file(tmp_path, "graph.pb", KEY, lambda: b"ok").read_bytes() == b"ok"


def test_a_folder_is_kept_like_a_file(tmp_path: Path) -> None:
    def build(path: Path) -> None:
        path.mkdir()

    path = cached_path(tmp_path, "digits", KEY, build)
    assert path.is_dir()
    assert cached_path(tmp_path, "digits", KEY, lambda _: pytest.fail("built twice")) == path


@pytest.mark.parametrize("parents", [".", "below"])
def test_a_folder_that_cannot_be_used(tmp_path: Path, parents: str) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        InputError, match=r"the cache folder .*file.* cannot be used \(.+\): make room, or name another"
    ):
        cached_file(tmp_path / "file" / parents, "graph.pb", KEY, lambda: b"")


def test_a_folder_that_may_not_be_searched(locked: Path) -> None:
    with pytest.raises(InputError, match=r"the cache folder .*locked cannot be used \(Permission denied\): make room"):
        cached_file(locked, "graph.pb", KEY, lambda: b"")
    with pytest.raises(InputError, match=r"the cache folder .*locked cannot be used \(Permission denied\): make room"):
        make_folder(locked)


def test_a_folder_of_too_long_a_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the cache folder .*xxx cannot be used \(File name too long\): make room"):
        cached_file(tmp_path / ("x" * 300), "graph.pb", KEY, lambda: b"")


def spoil(path: Path) -> None:
    path.write_bytes(b"spoilt")


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def read_whole(path: Path) -> bytes:
    content = path.read_bytes()
    if content != b"whole":
        raise ValueError("it is spoilt")
    return content


@pytest.mark.parametrize("damage", [spoil, replace_by_folder])
def test_what_is_damaged_is_built_again(damage: Callable[[Path], None], tmp_path: Path) -> None:
    said = list[str]()

    def find() -> Path:
        return cached_file(tmp_path, "graph.pb", KEY, lambda: b"whole")

    damage(find())
    assert load_cached(find, read_whole, said.append) == b"whole"
    assert said == [f"{find()} is damaged, and is built again"]


def test_what_another_run_has_built_again_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(b"spoilt")

    def find() -> Path:
        assert path.exists(), "removed"
        return path

    assert load_cached(find, read_whole, lambda _: path.write_bytes(b"whole")) == b"whole"


def test_a_damaged_file_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, missing_ok: bool) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    spoil(tmp_path / "graph.pb")
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(
        InputError, match=r"the cache folder .* cannot be used \(Permission denied\): make room, or nam"
    ):
        load_cached(lambda: tmp_path / "graph.pb", read_whole)


BUILDER = """
import sys, time
from pathlib import Path
from resnet_fixtures.graph.cache import cached_file

folder = Path(sys.argv[1])

def build():
    with (folder / "builds.txt").open("a") as log:
        log.write("built\\n")
    time.sleep(0.5)
    return b"content"

print(cached_file(folder, "graph.pb", {"seed": 0}, build).read_bytes())
"""


REBUILDER = """
import sys, time
from pathlib import Path
from resnet_fixtures.graph.cache import cached_path, load_cached

folder = Path(sys.argv[1])

def build(path):
    with (folder / "builds.txt").open("a") as log:
        log.write("built\\n")
    time.sleep(0.5)
    path.mkdir()
    (path / "file").write_bytes(b"content")

def find():
    return cached_path(folder, "digits", {"seed": 0}, build)

print(load_cached(find, lambda path: (path / "file").read_bytes()))
"""


def run_at_once(program: str, folder: Path) -> list[bytes]:
    """Give what three processes say."""
    root = Path(cache.__file__).parents[2]
    command = [sys.executable, "-c", program, str(folder)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) for _ in range(3)]
    return [run.communicate(timeout=60)[0] for run in runs]


def test_two_runs_at_once_build_once(tmp_path: Path) -> None:
    assert run_at_once(BUILDER, tmp_path) == [b"b'content'\n"] * 3
    assert (tmp_path / "builds.txt").read_text() == "built\n"


def test_two_runs_at_once_build_a_damaged_folder_again_once(tmp_path: Path) -> None:
    cached_path(tmp_path, "digits", {"seed": 0}, lambda path: path.mkdir())
    assert run_at_once(REBUILDER, tmp_path) == [b"b'content'\n"] * 3
    assert (tmp_path / "builds.txt").read_text() == "built\n"
