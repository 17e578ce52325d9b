"""What README.md and docs/ tell a reader to run is run, word for word, in a folder like the reader's.

The published graphs and ImageNet are tiny ones of the same form (`documentation.stand_ins`), and PYTEST_ADDOPTS, which
a command's own options override, shortens the runs. The two installations are compared with the project's files; the
first one's job is run in this environment, the second one is what .ci/run does in a fresh one.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING

import pytest

from tests.plugin.documentation.blocks import SHOWN_LANGUAGES, Block, find_blocks
from tests.plugin.documentation.desk import (
    INSTALLATION,
    REPOSITORY,
    StandIns,
    count_passed_runs,
    count_pytest_runs,
    lay_out,
    run,
    run_block,
)
from tests.plugin.documentation.stand_ins import write_graphs, write_imagenet

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = ("README.md", *sorted(f"docs/{file.name}" for file in (REPOSITORY / "docs").glob("*.md")))
BLOCKS = {document: find_blocks(REPOSITORY / document) for document in DOCUMENTS}
FOR_SOMEBODY_ELSE = "docs/fixtures.md"  # its reader works in another repository
NOT_RUN = {
    f"{INSTALLATION}-c constraints.txt -e '.[dev]' && .venv/bin/pytest\n": "it would run this test; .ci/run runs it"
}
# Two short runs on a busy machine may differ, or be too few to judge: that is these commands' job to say.
UNSURE = {
    "--benchmark-compare-fail": "Performance has regressed",
    "python -m resnet_fixtures.gate": "INCONCLUSIVE",
    "--benchmark-only --gate\n": "1 REGRESSED",
}


@pytest.fixture(scope="module")
def stand_ins(tmp_path_factory: pytest.TempPathFactory, warm_commands: Path) -> StandIns:
    folder = tmp_path_factory.mktemp("reader")
    write_graphs(folder)
    write_imagenet(folder / "imagenet")
    return StandIns(graphs=folder, imagenet=folder / "imagenet", commands=warm_commands)


@pytest.mark.parametrize(
    ("arguments", "text", "status", "output"),
    [
        (["-c", "import sys, tensorflow; print(sys.argv); sys.exit(3)", "a b"], "", 3, "['-c', 'a b']"),
        ([], "import os; print(os.getcwd() + os.environ['IMAGENET'])", 0, "{folder}{imagenet}"),
        (["-m", "json.tool", "--compact"], '{"a": [1, 2]}', 0, '{"a":[1,2]}'),
        (["-mjson.tool", "--compact"], '{"a": [1, 2]}', 0, '{"a":[1,2]}'),
        (["-c", "import os; os.system('echo child'); 1 / 0"], "", 1, "child"),
        (["-c", "import os, sys; sys.stdout.flush(); os.abort()"], "", 128, ""),
    ],
)
def test_warm_python_is_like_any_python(
    stand_ins: StandIns, tmp_path: Path, arguments: list[str], text: str, status: int, output: str
) -> None:
    done = run(["python", *arguments], text, tmp_path, stand_ins.environment(""))
    assert done.returncode == status, done.stdout
    assert output.replace("{folder}", str(tmp_path)).replace("{imagenet}", str(stand_ins.imagenet)) in done.stdout


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_run(document: str, stand_ins: StandIns, tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    lay_out(folder, stand_ins, is_clone=document != FOR_SOMEBODY_ELSE)
    for block in BLOCKS[document]:
        if block.is_executable and block.script not in NOT_RUN:
            done = run_block(block, folder, stand_ins)
            assert is_as_promised(block, done.returncode, done.stdout), f"{document}:{block.line}\n{done.stdout}"


def is_as_promised(block: Block, status: int, output: str) -> bool:
    """Tell whether a block did what it is there for: every pytest run in it passed a test."""
    if block.language == "python":
        return status == 0
    if any(command in block.script and words in output for command, words in UNSURE.items()) and status:
        return status == 1
    return status == 0 and count_passed_runs(output) == count_pytest_runs(block.script)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_executable_or_only_shown(document: str) -> None:
    unknown = [
        block.line for block in BLOCKS[document] if not block.is_executable | (block.language in SHOWN_LANGUAGES)
    ]
    assert unknown == []


def test_blocks_that_are_not_run_are_there() -> None:
    scripts = {block.script for blocks in BLOCKS.values() for block in blocks}
    assert set(NOT_RUN) <= scripts


@pytest.mark.parametrize(
    ("requirement", "job"), [(".", ".venv/bin/pytest -m int8 --benchmark-only"), (".[dev]", ".venv/bin/pytest")]
)
def test_installation_is_one_of_this_project(requirement: str, job: str) -> None:
    written = f"{INSTALLATION}-c constraints.txt -e {shlex.quote(requirement)} && {job}\n"
    assert written in [block.script for block in BLOCKS["README.md"]]
    assert (REPOSITORY / "constraints.txt").is_file()
    extra = requirement.removeprefix(".").strip("[]")
    assert not extra or re.search(rf"^{extra} = \[", (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)


def test_ci_does_what_the_second_installation_says() -> None:
    lines = (REPOSITORY / ".ci/run").read_text().splitlines()
    assert any(
        line.endswith("pip\" install --quiet --constraint constraints.txt --editable '.[dev]'") for line in lines
    )
    assert lines[-1].endswith('/bin/pytest"')


@pytest.mark.parametrize("document", [*DOCUMENTS, "CHANGELOG.md"])
def test_links_lead_somewhere(document: str) -> None:
    file = REPOSITORY / document
    links = re.findall(r"\]\((?!https://)([^)#]+)", file.read_text())
    assert [link for link in links if not (file.parent / link).exists()] == []


# Of our other commands, and of pip.
COMMANDS_OPTIONS = {
    "--images", "--out", "--precision", "--storage", "--results", "--format", "--baseline", "--run", "--editable",
    "--constraint",
}  # fmt: skip


def test_every_option_is_documented_and_every_documented_one_exists(stand_ins: StandIns, tmp_path: Path) -> None:
    told = run(["pytest", "--help"], "", tmp_path, stand_ins.environment("")).stdout
    ours = told.partition("ResNet-50 v1.5 on TensorFlow:\n")[2].partition("\n\n")[0]
    options = set(re.findall(r"^  (--[\w-]+)", ours, re.MULTILINE))
    text = "".join(block_free(document) for document in DOCUMENTS)
    assert len(options) > 15
    assert {option for option in options if not re.search(rf"{option}\b(?!-)", text)} == set()
    known = set(re.findall(r"--[\w-]+", told)) | COMMANDS_OPTIONS
    assert {option for option in re.findall(r"(?<![\w-])--[a-z][\w-]*", text) if option not in known} == set()


def block_free(document: str) -> str:
    """Give a document without the commands of other projects."""
    text = (REPOSITORY / document).read_text()
    for block in BLOCKS[document]:
        if block.language in SHOWN_LANGUAGES:
            text = text.replace(block.text, "")
    return text


def test_every_result_field_is_documented(stand_ins: StandIns, tmp_path: Path) -> None:
    lay_out(tmp_path / "clone", stand_ins, is_clone=True)
    command = "pytest -m int8 --benchmark-only --batch-size 4 --steps 30 --benchmark-json"
    script = f"{command} one.json --data-location=$IMAGENET && {command} several.json --numa-cores-per-instance 1"
    done = run(["bash", "-ec", script], "", tmp_path / "clone", stand_ins.environment(script))
    assert done.returncode == 0, done.stdout
    files = [tmp_path / "clone" / name for name in ("one.json", "several.json")]
    fields = {field for file in files for field in json.loads(file.read_text())["benchmarks"][0]["extra_info"]}
    documented = set(re.findall(r"`(\w+)`", (REPOSITORY / "docs/measuring.md").read_text()))
    assert {"latency_p90_upper_s", "pipeline_images_per_s", "instances"} <= fields
    assert fields - documented == set()
