"""GitHub's workflows: what linters say of them, what they may do, and that they call the recipes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.plugin.documentation.desk import REPOSITORY, run
from tests.plugin.installed_programs import find_program

if TYPE_CHECKING:
    import subprocess

yaml: Any = pytest.importorskip("yaml")  # neural-compressor-tf brings it

WORKFLOWS = (".github/workflows/nightly.yml", ".github/workflows/pull-request.yml")


def lint_workflow(text: str) -> subprocess.CompletedProcess[str]:
    command = [find_program("actionlint"), "-no-color", "-shellcheck", find_program("shellcheck"), "-"]
    return run(command, text, REPOSITORY, os.environ)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_workflows_are_good(workflow: str) -> None:
    done = lint_workflow((REPOSITORY / workflow).read_text())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("workflow", "right", "wrong", "complaint"),
    [
        (WORKFLOWS[1], "runs-on:", "run-on:", '"runs-on"'),
        (WORKFLOWS[0], "steps.page.outputs", "steps.pages.outputs", '"pages" is not defined'),
        (WORKFLOWS[0], '"17 2 * * *"', '"17 2 * *"', "CRON"),
        (WORKFLOWS[1], "fetch-depth", "fetch-deep", '"fetch-deep" is not defined'),
        (WORKFLOWS[1], 'cat "$OUT', 'cat "${{ github.head_ref }}', "potentially untrusted"),
        (WORKFLOWS[1], 'cat "$OUT/summary.md"', "cat $OUT/summary.md", "SC2086"),
    ],
)
def test_a_fault_in_a_workflow_is_seen(workflow: str, right: str, wrong: str, complaint: str) -> None:
    done = lint_workflow(read_text(workflow).replace(right, wrong))
    assert done.returncode == 1
    assert complaint in done.stdout


def read_text(name: str) -> str:
    return (REPOSITORY / name).read_text()


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_have_no_more_rights_than_they_need(name: str) -> None:
    text, workflow = read_text(name), yaml.safe_load(read_text(name))
    assert workflow["permissions"] == {}
    assert all(job["permissions"] and job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
    granted = {f"{key}: {right}" for job in workflow["jobs"].values() for key, right in job["permissions"].items()}
    pages = {"id-token: write", "pages: write", "actions: read"}
    assert granted == {"contents: read"} | (pages if "nightly" in name else set())
    assert "secrets" not in text
    assert "pull_request_target" not in text
    assert "group" in workflow["concurrency"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_steps_pin_their_actions_and_run_the_recipes(name: str) -> None:
    steps = [step for job in yaml.safe_load(read_text(name))["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r"actions/[\w-]+@v\d+", action)] == []
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False]
    commands = [step["run"] for step in steps if "run" in step]
    assert f"recipes/{Path(name).stem}.sh" in commands
    assert [command for command in commands if "${{" in command] == []
