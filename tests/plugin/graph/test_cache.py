from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph import cache
from resnet_fixtures.graph.cache import cache_folder, cached_file, cached_path, digest_key

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


def test_two_runs_at_once_build_once(tmp_path: Path) -> None:
    root = Path(cache.__file__).parents[2]
    command = [sys.executable, "-c", BUILDER, str(tmp_path)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) for _ in range(3)]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert outputs == [b"b'content'\n"] * 3
    assert (tmp_path / "builds.txt").read_text() == "built\n"
