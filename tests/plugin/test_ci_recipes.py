"""The CI recipes' scripts, run.

Installations are stood in for, so that nothing is downloaded: a `python3` makes environments whose programs write down
what they are told.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.plugin.documentation.desk import FOREIGN, REPOSITORY, run
from tests.plugin.installed_programs import find_program

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = ("recipes/nightly.sh", "recipes/pull-request.sh")
STAND_IN = """\
#!/usr/bin/env bash
# Writes down what it was told, and ends as $FAILING says: `pytest=1 report=4`.
echo "$0 $*" >>"$TOLD"
program=$(basename "$0")
case "$*" in
    "-m venv"*)
        mkdir -p "${!#}/bin"
        for name in python pip pytest; do ln -sf "$(realpath "$0")" "${!#}/bin/$name"; done ;;
    recipes/link_embedded_graphs.py*)
        mkdir -p "$2"
        touch "$2/fp32.pb" "$2/int8.pb" ;;
    "-m resnet_fixtures.report"*)
        program=report ;;
esac
for failure in ${FAILING:-}; do
    [ "${failure%=*}" != "$program" ] || exit "${failure#*=}"
done
"""


@dataclass
class Clone:
    """A folder with the recipes and a stand-in for `python3`."""

    folder: Path

    def run(self, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        path = f"{self.folder.parent}{os.pathsep}{own['PATH']}"
        told = {"TOLD": str(self.folder.parent / "told")}
        # From another folder: a script finds its repository by itself.
        command = [str(self.folder / script), *arguments]
        return run(command, "", self.folder.parent, {**own, "PATH": path, **told, **variables})

    @property
    def told(self) -> list[str]:
        """Give what the programs were told, one line for each, without the folder in front of `python3`."""
        file = self.folder.parent / "told"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line.removeprefix(f"{self.folder.parent}/") for line in lines]

    def git(self, *arguments: str) -> None:
        settings = ("user.name=A Tester", "user.email=tester@example.org", "commit.gpgsign=false")
        options = [word for setting in settings for word in ("-c", setting)]
        subprocess.run([find_program("git"), *options, *arguments], cwd=self.folder, check=True)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    shutil.copytree(REPOSITORY / "recipes", tmp_path / "clone/recipes")
    shutil.copyfile(REPOSITORY / "constraints.txt", tmp_path / "clone/constraints.txt")
    (tmp_path / "python3").write_text(STAND_IN)
    (tmp_path / "python3").chmod(0o755)
    return Clone(tmp_path / "clone")


@pytest.fixture
def change(clone: Clone) -> Clone:
    """A clone whose last commit changes the constraints, on a branch that `main` has left behind."""
    (clone.folder / "constraints.txt").write_text("tensorflow==1\n")
    clone.git("init", "--quiet", "--initial-branch=main")
    clone.git("add", ".")
    clone.git("commit", "--quiet", "--message=base")
    clone.git("checkout", "--quiet", "-b", "change")
    (clone.folder / "constraints.txt").write_text("tensorflow==2\n")
    clone.git("commit", "--quiet", "--all", "--message=change")
    clone.git("checkout", "--quiet", "main")
    (clone.folder / "constraints.txt").write_text("tensorflow==3\n")
    clone.git("commit", "--quiet", "--all", "--message=later")
    clone.git("checkout", "--quiet", "change")
    return clone


def test_a_night_step_by_step(clone: Clone) -> None:
    done = clone.run("recipes/nightly.sh", "-m", "int8 or fp32")
    assert done.returncode == 0, done.stdout
    report = ".venv-nightly/bin/python -m resnet_fixtures.report --storage results/nightly/storage"
    assert clone.told == [
        "python3 -m venv --clear .venv-nightly",
        ".venv-nightly/bin/pip install --quiet --constraint constraints.txt --editable .[report]",
        ".venv-nightly/bin/python recipes/link_embedded_graphs.py .venv-nightly/graphs",
        ".venv-nightly/bin/pip install --quiet --upgrade tensorflow",
        ".venv-nightly/bin/pytest tests/perf --gate"
        " --in-graph fp32=.venv-nightly/graphs/fp32.pb --in-graph int8=.venv-nightly/graphs/int8.pb"
        " --benchmark-storage file://results/nightly/storage --benchmark-autosave --benchmark-save-data"
        " --output-dir results/nightly/logs --junitxml results/nightly/junit.xml -m int8 or fp32",
        f"{report} --results results/nightly/logs --out results/nightly/page/index.html",
        f"{report} --results results/nightly/logs --format markdown --out results/nightly/summary.md",
    ]


@pytest.mark.parametrize(
    ("variables", "there", "absent"),
    [
        ({"GATE": "--gate-update"}, "pytest tests/perf --gate-update", "--gate "),
        ({"UNDER_TEST": ""}, "pytest tests/perf --gate", "--upgrade"),
        ({"UNDER_TEST": "tensorflow==2.22.0 numpy"}, "--upgrade tensorflow==2.22.0 numpy", "--upgrade tensorflow\n"),
        ({"TESTS": "tests/perf tests/training"}, "pytest tests/perf tests/training --gate", "pytest tests/perf --gate"),
        ({"GRAPHS": "own"}, "--in-graph bf16=own/bf16.pb --benchmark-storage", "link_embedded_graphs"),
        ({"HISTORY": "{tmp}/h"}, "--benchmark-storage file://{tmp}/h/storage", "results/"),
    ],
)
def test_a_night_follows_its_variables(
    clone: Clone, tmp_path: Path, variables: dict[str, str], there: str, absent: str
) -> None:
    (clone.folder / "own").mkdir()
    (clone.folder / "own/bf16.pb").touch()
    done = clone.run(
        "recipes/nightly.sh", **{name: value.replace("{tmp}", str(tmp_path)) for name, value in variables.items()}
    )
    assert done.returncode == 0, done.stdout
    told = "\n".join(clone.told)
    assert there.replace("{tmp}", str(tmp_path)) in told
    assert absent not in told


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("failing", "status"), [("", 0), ("pytest=1", 1), ("report=4", 4), ("pytest=1 report=4", 1), ("pytest=5", 5)]
)
def test_what_fails_is_reported_and_fails_the_run(change: Clone, script: str, failing: str, status: int) -> None:
    done = change.run(script, FAILING=failing, BASE="main")
    assert done.returncode == status, done.stdout
    assert "resnet_fixtures.report" in change.told[-1]


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("failing", ["python3=1", "pip=1"])
def test_without_an_installation_nothing_is_judged(change: Clone, script: str, failing: str) -> None:
    assert change.run(script, FAILING=failing, BASE="main").returncode == 1
    assert [line for line in change.told if "pytest" in line] == []


def test_without_graphs_nothing_is_judged(clone: Clone) -> None:
    assert clone.run("recipes/nightly.sh", FAILING="python=2").returncode == 2
    assert [line for line in clone.told if "pytest" in line] == []


def test_an_old_page_is_not_shown_as_tonights(clone: Clone) -> None:
    history = clone.folder / "results/nightly"
    stale = [history / name for name in ("page/index.html", "summary.md", "junit.xml")]
    kept = history / "storage/gate-baseline.json"
    for file in (*stale, kept):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    clone.run("recipes/nightly.sh", FAILING="pip=1")
    assert [file.exists() for file in (*stale, kept)] == [False, False, False, True]


def test_a_pull_request_step_by_step(change: Clone) -> None:
    done = change.run("recipes/pull-request.sh", "-m", "int8", BASE="main")
    assert done.returncode == 0, done.stdout
    venvs = ".venv-pull-request"
    assert change.told == [
        f"python3 -m venv --clear {venvs}/base",
        f"{venvs}/base/bin/pip install --quiet --constraint {venvs}/base-constraints.txt tensorflow numpy",
        f"python3 -m venv --clear {venvs}/head",
        f"{venvs}/head/bin/pip install --quiet --constraint constraints.txt --editable .[report]",
        f"{venvs}/head/bin/pytest tests/perf --against {venvs}/base/bin/python"
        " --benchmark-storage file://results/pull-request/storage --benchmark-autosave --benchmark-save-data"
        " --output-dir results/pull-request/logs --junitxml results/pull-request/junit.xml -m int8",
        f"{venvs}/head/bin/python -m resnet_fixtures.report --storage results/pull-request/storage"
        " --results results/pull-request/logs --format markdown --out results/pull-request/summary.md",
    ]


def test_an_earlier_change_s_runs_are_not_shown_as_this_one_s(change: Clone) -> None:
    out = change.folder / "results/pull-request"
    stale = [out / name for name in ("storage/0001_a.json", "logs/gate_1.json", "summary.md", "junit.xml")]
    for file in stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    change.run("recipes/pull-request.sh", BASE="main")
    assert [file for file in stale if file.exists()] == []


def test_the_base_is_where_the_change_began(change: Clone) -> None:
    assert change.run("recipes/pull-request.sh", BASE="main").returncode == 0
    constraints = change.folder / ".venv-pull-request/base-constraints.txt"
    assert constraints.read_text() == "tensorflow==1\n"


@pytest.mark.parametrize(
    ("variables", "output"),
    [({"BASE": "nowhere"}, "nowhere"), ({"BASE": "main", "CONSTRAINTS": "absent.txt"}, "absent.txt")],
)
def test_without_a_base_nothing_is_judged(change: Clone, variables: dict[str, str], output: str) -> None:
    done = change.run("recipes/pull-request.sh", **variables)
    assert done.returncode != 0
    assert output in done.stdout
    assert change.told == []


def test_embedded_graphs_are_linked(tmp_path: Path) -> None:
    program = str(REPOSITORY / "recipes/link_embedded_graphs.py")
    subprocess.run([sys.executable, program, tmp_path / "new/graphs"], check=True, cwd=tmp_path)
    sizes = {file.name: file.stat().st_size for file in (tmp_path / "new/graphs").iterdir()}
    assert set(sizes) == {"int8.pb", "fp32.pb", "bf16.pb"}
    assert sizes["int8.pb"] < sizes["bf16.pb"] < sizes["fp32.pb"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_good_shell(script: str) -> None:
    done = run([find_program("shellcheck"), script], "", REPOSITORY, os.environ)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_can_be_called_and_say_what_can_be_set(script: str) -> None:
    file = REPOSITORY / script
    assert os.access(file, os.X_OK)
    variables = set(re.findall(r'^: "\$\{(\w+):?=', file.read_text(), re.MULTILINE))
    documented = set(re.findall(r"`([A-Z_]+)`", (REPOSITORY / "docs/ci.md").read_text()))
    assert len(variables) > 5
    assert variables - documented == set()
