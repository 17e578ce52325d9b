"""The CI recipes' scripts with the real pytest and the real report, on tiny graphs and for a moment.

An environment is made of this one's programs, and `pip` does nothing, so that nothing is downloaded.
"""

from __future__ import annotations

import os
import re
import shutil
from html import unescape
from typing import TYPE_CHECKING

import pytest

from tests.plugin.documentation.desk import REPOSITORY, StandIns, lay_out, run
from tests.plugin.documentation.warm_python import warm_python
from tests.plugin.installed_programs import find_program

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from resnet_fixtures.precision import Precision

QUICK = "--gate-max-time 1 --gate-inconclusive fail -m int8 --batch-size 1"
TEST = "test_online_inference[int8-bs1]"
MAKE_ENVIRONMENT = """\
#!/usr/bin/env bash
# Stands for `python3 -m venv --clear FOLDER`.
mkdir -p "${!#}/bin"
for program in python pytest; do
    printf '#!/bin/sh\\nexec "%s/%s" "$@"\\n' "$COMMANDS" "$program" >"${!#}/bin/$program"
done
printf '#!/bin/sh\\n' >"${!#}/bin/pip"
chmod +x "${!#}"/bin/*
"""


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, suite_graphs: Mapping[Precision, Path]) -> Iterator[StandIns]:
    folder = tmp_path_factory.mktemp("runner")
    [graphs] = {file.parent for file in suite_graphs.values()}
    with warm_python(folder) as commands:
        yield StandIns(graphs=graphs, imagenet=folder, commands=commands)


@pytest.fixture
def clone(tmp_path: Path, stand_ins: StandIns) -> Path:
    """A clone of this repository with one commit, and beside it a `python3` that makes environments."""
    folder = tmp_path / "clone"
    lay_out(folder, stand_ins, is_clone=True)
    shutil.copytree(REPOSITORY / "recipes", folder / "recipes")
    (tmp_path / "python3").write_text(MAKE_ENVIRONMENT)
    (tmp_path / "python3").chmod(0o755)
    commit = "git init -q -b main && git add constraints.txt && git -c commit.gpgsign=false commit -q -m base"
    identity = {f"GIT_{who}_{what}": "tester" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = run([find_program("bash"), "-ec", commit], "", folder, {**os.environ, **identity})
    assert done.returncode == 0, done.stdout
    return folder


def call(script: str, clone: Path, stand_ins: StandIns, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = stand_ins.environment(script)
    own = {
        "COMMANDS": str(stand_ins.commands),
        "PATH": f"{clone.parent}{os.pathsep}{environment['PATH']}",
        "PYTEST_ADDOPTS": f"{environment['PYTEST_ADDOPTS']} {QUICK}",
    }
    return run([str(clone / script)], "", clone, {**environment, **own, **variables})


def is_judged(done: subprocess.CompletedProcess[str]) -> bool:
    """Tell whether there is a verdict that the exit status agrees with; a moment may not suffice for a green one."""
    verdicts = set(re.findall(rf"{re.escape(TEST)}: (\w+): ", done.stdout))
    return verdicts <= ({"PASS", "IMPROVED"} if done.returncode == 0 else {"REGRESSED", "INCONCLUSIVE"}) and bool(
        verdicts
    )


def test_nights(clone: Path, stand_ins: StandIns) -> None:
    graphs = str(stand_ins.graphs)
    first = call("recipes/nightly.sh", clone, stand_ins, GATE="--gate-update", GRAPHS=graphs)
    assert first.returncode == 0, first.stdout
    second = call("recipes/nightly.sh", clone, stand_ins, GRAPHS=graphs)
    assert is_judged(second), second.stdout
    history = clone / "results/nightly"
    assert (history / "storage/gate-baseline.json").is_file()
    assert len([*history.glob("storage/*/*.json")]) == 2
    assert TEST in (history / "page/index.html").read_text()
    assert TEST in unescape((history / "summary.md").read_text())
    assert TEST in (history / "junit.xml").read_text()


def test_a_night_without_a_baseline_is_not_green(clone: Path, stand_ins: StandIns) -> None:
    done = call("recipes/nightly.sh", clone, stand_ins, GRAPHS=str(stand_ins.graphs))
    assert done.returncode == 4
    assert "has no baseline in results/nightly/storage/gate-baseline.json" in done.stdout
    assert not [*clone.rglob("gate-baseline.json")]


def test_a_pull_request(clone: Path, stand_ins: StandIns) -> None:
    done = call("recipes/pull-request.sh", clone, stand_ins, BASE="main")
    assert is_judged(done), done.stdout
    assert TEST in unescape((clone / "results/pull-request/summary.md").read_text())
