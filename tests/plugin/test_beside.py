"""The pytest processes beside this one: what they find is what one process would have found."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.plugin.beside import ITEMS, PIPE, PLAIN
from tests.plugin.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDS_TWO_CORES = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="a second process needs a second core")
CONFTEST = """
import pytest
from tests.plugin import beside

@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items): beside.plan(config, items)

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem): return beside.run(item.config, item, nextitem) or None

def pytest_unconfigure(config): beside.end(config)

@pytest.fixture(scope="session", autouse=True)
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("place")
"""
FIRST = """
import os
def test_first(): open("first", "w").write(str(os.getpid()))
"""
SECOND = """
import os, time, pytest
def test_passes(): open("second", "w").write(str(os.getpid()))
def test_fails(): assert "one" == "other"
@pytest.mark.skip(reason="not here")
def test_skips(): pass
@pytest.fixture
def broken(): raise ValueError("no fixture")
def test_errs(broken): pass
"""
THIRD = """
import os
def test_third(): open("third", "w").write(str(os.getpid()))
"""
PROCESSES = ("first", "second", "third")
BEFORE = """
import subprocess, os
def test_nothing_has_started():
    children = subprocess.run(["ps", "-wwo", "args", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
    assert "tell_reports" not in children
"""
ELSEWHERE = """
from pathlib import Path
def test_nothing_runs_beside():
    assert not any(Path("/proc", Path(name).read_text()).exists() for name in ("second", "third"))
"""


@pytest.fixture
def run_parts(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Run pytest on folders like these, with a test of one of the parts that has this content."""
    for name in (PIPE, ITEMS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(second: str, *arguments: str) -> pytest.RunResult:
        files = {
            "tests/accuracy/test_0.py": BEFORE,
            "tests/plugin/conftest.py": CONFTEST,
            "tests/plugin/test_a.py": FIRST,
            "tests/plugin/stats/test_d.py": THIRD,
            "tests/plugin/training/test_b.py": second,
            "tests/training/test_c.py": ELSEWHERE,
        }
        for name in ("tests/plugin/beside.py", "tests/plugin/tell_reports.py"):
            files[name] = (ROOT / name).read_text()
        for name, content in files.items():
            (pytester.path / name).parent.mkdir(parents=True, exist_ok=True)
            (pytester.path / name).write_text(content)
        pytester.makeini("[pytest]\naddopts = --import-mode=importlib\npythonpath = .\n")
        return pytester.run(sys.executable, "-m", "pytest", *arguments, "tests")

    return run


@NEEDS_TWO_CORES
def test_outcomes_are_given_out_before_what_lies_elsewhere(
    pytester: pytest.Pytester, run_parts: Callable[..., pytest.RunResult]
) -> None:
    result = run_parts(SECOND, "-rs", "--junit-xml=out.xml")
    result.assert_outcomes(passed=5, failed=1, skipped=1, errors=1)
    result.stdout.fnmatch_lines_random(
        ["*AssertionError: assert 'one' == 'other'", "*no fixture", "SKIPPED * not here"]
    )
    assert len({(pytester.path / name).read_text() for name in PROCESSES}) == 3
    assert 'tests="8"' in (pytester.path / "out.xml").read_text()


@NEEDS_TWO_CORES
def test_a_test_that_was_not_reported_on_fails(run_parts: Callable[..., pytest.RunResult]) -> None:
    result = run_parts("import os\ndef test_told(): pass\ndef test_dies(): os._exit(3)\ndef test_lost(): pass")
    result.assert_outcomes(passed=4, failed=3)


def test_with_other_options_one_process_runs_all(
    pytester: pytest.Pytester, run_parts: Callable[..., pytest.RunResult]
) -> None:
    run_parts(SECOND, "-k", "first or passes or third").assert_outcomes(passed=3, deselected=5)
    assert len({(pytester.path / name).read_text() for name in PROCESSES}) == 1


@pytest.mark.parametrize(
    "argument",
    ["tests", "-q", "-vv", "-x", "-rA", "--durations=40", "--junit-xml=out.xml", "--tb=short", "--max-time=20"],
)
def test_options_that_only_show_are_plain(argument: str) -> None:
    assert PLAIN.fullmatch(argument)


@pytest.mark.parametrize("argument", ["-s", "-k", "-m", "-n2", "--pdb", "--benchmark-only", "--lf", "-p", "--steps=2"])
def test_options_that_change_what_runs_are_not(argument: str) -> None:
    assert not PLAIN.fullmatch(argument)
