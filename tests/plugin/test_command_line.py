from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.command_line import PATH_OPTIONS, join_paths, mistaken_paths
from resnet_fixtures.options import add_options, parse_graph_choice
from resnet_fixtures.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with settings and one test, and a folder of data beside it."""
    (tmp_path / "data").mkdir()
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (folder / "test_it.py").write_text("def test_passes():\n    pass\n")
    return folder


@pytest.mark.parametrize(
    ("arguments", "joined"),
    [
        (["-m", "int8", "--data-location", "../data"], ["-m", "int8", "--data-location=../data"]),
        (
            ["--in-graph", "fp32=a.pb", "--in-graph", "b.pb", "tests"],
            ["--in-graph=fp32=a.pb", "--in-graph=b.pb", "tests"],
        ),
        (["--output-dir=out", "tests/perf"], ["--output-dir=out", "tests/perf"]),
        (["tests", "--data-location"], ["tests", "--data-location"]),
    ],
)
def test_values_are_joined_to_their_options(arguments: Sequence[str], joined: Sequence[str]) -> None:
    assert join_paths(arguments) == joined


class PathOptions:
    """Collects, in a parser's place, the options whose value is a path."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def getgroup(self, *names: str) -> PathOptions:
        return self

    def addoption(self, name: str, **settings: object) -> None:
        if settings.get("type") in (parse_path, parse_graph_choice):
            self.names.add(name)

    def addini(self, *names: str, **settings: object) -> None:
        pass


def test_every_option_that_takes_a_path_is_known() -> None:
    options = PathOptions()
    add_options(options)  # type: ignore[arg-type]
    assert options.names == set(PATH_OPTIONS)


def test_only_existing_paths_outside_the_project_are_mistaken(project: Path) -> None:
    (project / "inside").mkdir()
    assert mistaken_paths(["--data-location", "../data"], project) == [("--data-location", "../data")]
    assert mistaken_paths(["--data-location", "inside"], project) == []
    assert mistaken_paths(["--data-location", "../missing"], project) == []
    assert mistaken_paths(["--data-location=../data"], project) == []
    assert mistaken_paths(["--in-graph", f"../{'x' * 300}.pb"], project) == []  # the system refuses to look


def test_links_are_where_pytest_finds_them(project: Path) -> None:
    (project / "link").symlink_to(project.parent / "data")
    assert mistaken_paths(["--data-location", "link"], project) == []
    (project.parent / "elsewhere").symlink_to(project)
    back = str(project.parent / "elsewhere" / "test_it.py")
    assert mistaken_paths(["--in-graph", back], project) == [("--in-graph", back)]


def collect(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "resnet_fixtures.plugin", "--collect-only", "-q", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


def test_command_line_finds_its_settings_although_the_data_lie_elsewhere(project: Path) -> None:
    run = collect(project, "--data-location", "../data")
    assert "test_it.py::test_passes" in run.stdout.splitlines(), run.stdout + run.stderr


def test_a_call_that_cannot_be_started_anew_is_refused_with_the_cure(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    status = pytest.main(["-p", "resnet_fixtures.plugin", "--data-location", "../data"])
    assert status == pytest.ExitCode.USAGE_ERROR
    assert "pytest took ../data for a folder of tests: write --data-location=../data." in capfd.readouterr().err
