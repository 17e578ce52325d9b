from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.report.__main__ import find_folder, main
from tests.plugin.report.told_runs import write_baseline, write_history

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storage(tmp_path: Path) -> list[str]:
    write_history(tmp_path / "storage", 2)
    return ["--storage", str(tmp_path / "storage"), "--results", str(tmp_path / "results")]


def test_page_is_written(storage: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_baseline(tmp_path / "storage" / "gate-baseline.json")  # no run of its own, on the page either
    out = tmp_path / "new" / "report.html"
    assert main([*storage, "--out", str(out)]) == 0
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert capsys.readouterr().out == f"{out}: 2 runs, 0 accuracy runs and 0 trainings to a target\n"


def test_markdown_is_printed_or_written(storage: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*storage, "--format", "markdown"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("### Speed\n")
    assert main([*storage, "--format", "markdown", "--out", str(tmp_path / "report.md")]) == 0
    assert (tmp_path / "report.md").read_text() == printed


def test_page_needs_a_file(storage: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="4"):
        main(storage)
    assert capsys.readouterr().err == (
        "python -m resnet_fixtures.report: error: the page needs a file: pass --out report.html.\n"
    )


def test_bad_input_ends_with_one_sentence_and_the_old_page(
    storage: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.html"
    out.write_text("old")
    (tmp_path / "storage" / "0009_cut.json").write_text('{"benchmarks": [')
    with pytest.raises(SystemExit, match="4"):
        main([*storage, "--out", str(out)])
    told = capsys.readouterr().err
    assert told.startswith("python -m resnet_fixtures.report: error: ")
    assert "0009_cut.json is damaged" in told
    assert told.count("\n") == 1
    assert out.read_text() == "old"


def test_storage_may_be_written_as_for_pytest_benchmark() -> None:
    assert str(find_folder("file://./.benchmarks")) == ".benchmarks"
    with pytest.raises(InputError, match="is no folder: download the runs"):
        find_folder("elasticsearch+http://host/index")


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    heavy = ("jinja2", "plotly", "ruptures", "scipy", "tensorflow", "pytest")
    program = f"import sys, resnet_fixtures.report.__main__; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_empty_storage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^4$"):
        main(["--storage", "", "--format", "markdown"])
    assert "argument --storage: the path is empty; name one" in capsys.readouterr().err
