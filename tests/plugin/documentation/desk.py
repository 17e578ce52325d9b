"""Where a reader of the documentation sits: a folder, a shell, graphs and data; and what is run there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.plugin.documentation.blocks import Block

REPOSITORY = Path(__file__).parents[3]
CHECKED_OUT = ("pytest.ini", "conftest.py", "constraints.txt", "tests/perf", "tests/accuracy", "tests/training")
GRAPHS = ("int8.pb", "fp32.pb", "bf16.pb")
# What a command says itself comes later and wins. Of a few small samples few verdicts are sure.
SHORT = "--warmup-steps 3 --steps 6 --max-time 2 --stop-threshold 0 --gate-max-time 1 --gate-inconclusive pass"
THIN = ("-p tests.plugin.documentation.thin_trainings", "-p tests.plugin.documentation.thin_gate")
FOREIGN = re.compile(r"PYTEST_|TF_CPP_|OMP_|KMP_")  # set by the pytest run that runs these tests
INSTALLATION = "python3 -m venv .venv && .venv/bin/pip install "
TIMEOUT_S = 180.0


@dataclass(frozen=True)
class StandIns:
    """What the documentation's paths and programs are: folders of graphs and images, and of `python` and `pytest`."""

    graphs: Path
    imagenet: Path
    commands: Path

    def environment(self, script: str) -> dict[str, str]:
        """Give the variables of the reader's shell: short runs, thin trainings, small graphs for who names none."""
        own = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        options = ["-p resnet_fixtures.plugin", *THIN, SHORT]
        # mpirun has to know the very processes that it started: no forks of another one.
        commands = Path(sys.executable).parent if "--mpi-" in script else self.commands
        if "--gate" in script and "--batch-size" not in script:
            options.append(
                "--batch-size 1"
            )  # the reference kernel beside larger ones is as long as a real graph's step
        if "--in-graph" not in script:
            options += [f"--in-graph {graph.removesuffix('.pb')}={self.graphs / graph}" for graph in GRAPHS]
        return {
            **own,
            "PATH": f"{commands}{os.pathsep}{own['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "IMAGENET": str(self.imagenet),
            "PYTEST_ADDOPTS": " ".join(options),
        }


def lay_out(folder: Path, stand_ins: StandIns, *, is_clone: bool) -> None:
    """Make the reader's folder: a clone of this repository without its own tests, or a folder of somebody else's."""
    folder.mkdir()
    for graph in GRAPHS:
        (folder / graph).symlink_to(stand_ins.graphs / graph)
    if is_clone:
        for name in CHECKED_OUT:
            copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copyfile
            (folder / name).parent.mkdir(exist_ok=True)
            copy(REPOSITORY / name, folder / name)
        (folder / ".venv").mkdir()
        (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)


def run_block(block: Block, folder: Path, stand_ins: StandIns) -> subprocess.CompletedProcess[str]:
    """Run what stands in a block: a shell's commands, or a Python program; a program that names its file is saved."""
    script = block.script
    environment = stand_ins.environment(script)
    if block.language != "python":
        return run(["bash", "-euo", "pipefail", "-c", without_installation(script)], "", folder, environment)
    named = re.match(r"# (\w+\.py)\n", script)
    if named:
        (folder / named[1]).write_text(script)
        return run(["true"], "", folder, environment)
    return run(["python"], script, folder, environment)


def run(
    command: list[str], text: str, folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command with a text on its standard input; its errors go where its output goes."""
    return subprocess.run(
        command,
        input=text,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        check=False,
    )


def without_installation(script: str) -> str:
    """Leave the installation out, which the test's own environment stands for."""
    return script.rpartition(" && ")[2] if script.startswith(INSTALLATION) else script


def count_pytest_runs(script: str) -> int:
    """Count the pytest commands of a script."""
    return len(re.findall(r"(?:^|&& )(?:\.venv/bin/)?pytest\b", script, re.MULTILINE))


def count_passed_runs(output: str) -> int:
    """Count the pytest runs in an output in which a test passed and none failed."""
    summaries = re.findall(r"^=+ (.*) in [\d.:]+s.* =+$", output, re.MULTILINE)
    return sum("passed" in summary and "failed" not in summary and "error" not in summary for summary in summaries)
