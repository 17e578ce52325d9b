from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate import __main__ as module
from resnet_fixtures.gate.__main__ import main, summarize
from resnet_fixtures.gate.run_file import write_run
from resnet_fixtures.gate.verdict import Judgement, Verdict
from tests.plugin.gate.stored import (
    BATCH,
    FACTS,
    ONLINE,
    SCORED,
    make_accuracy,
    make_benchmark,
    make_saved,
    make_timing,
    save,
)

if TYPE_CHECKING:
    from resnet_fixtures.gate.samples import Entry

PREFIX = "python -m resnet_fixtures.gate: error: "


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    return store(tmp_path / "baseline.json", make_timing(), make_accuracy())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run.json"


def store(path: Path, *entries: Entry) -> Path:
    write_run(path, {entry.test: entry for entry in entries})
    return path


def judge(baseline: Path, run: Path, *options: str) -> int:
    return main(["--baseline", str(baseline), "--run", str(run), *options])


def refuse(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit, match=r"^4$"):
        main(list(map(str, arguments)))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(PREFIX)
    assert printed.err.count("\n") == 1
    return printed.err.removeprefix(PREFIX)


def test_nothing_changed_is_green(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(baseline, store(run, make_timing(step_s=0.02502), make_accuracy())) == 0
    accuracy, timing, count = capsys.readouterr().out.splitlines()
    assert timing.startswith(f"{ONLINE}: PASS: ")
    assert accuracy.startswith(f"{SCORED}: PASS: ")
    assert count == "2 tests: 2 PASS"


def test_a_better_run_is_green(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(baseline, store(run, make_timing(step_s=0.02), make_accuracy())) == 0
    assert capsys.readouterr().out.endswith("2 tests: 1 PASS, 1 IMPROVED\n")


@pytest.mark.parametrize("worse", [make_timing(step_s=0.0275), make_accuracy((0, 3, 7, 1))])
def test_one_regression_is_not_green(
    worse: Entry, baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = {ONLINE: make_timing(), SCORED: make_accuracy(), worse.test: worse}
    assert judge(baseline, store(run, *entries.values())) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(f"{worse.test}: REGRESSED: ")]
    assert lines[-1] == "2 tests: 1 PASS, 1 REGRESSED"


def test_a_loss_that_is_allowed_is_green(baseline: Path, run: Path) -> None:
    store(run, make_timing(step_s=0.0275), make_accuracy((0, 3, 7, 1)))
    assert judge(baseline, run, "--tolerance", "latency_s=15%") == 1
    assert judge(baseline, run, "--tolerance", "latency_s=15%", "--tolerance", "accuracy=30 points") == 0


def test_inconclusive_is_as_asked(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(run, make_timing(processes=1), make_accuracy())
    store(baseline, make_timing(processes=1), make_accuracy())
    assert judge(baseline, run) == 1
    assert f"{ONLINE}: INCONCLUSIVE: " in capsys.readouterr().out
    assert judge(baseline, run, "--inconclusive", "fail") == 1
    assert judge(baseline, run, "--inconclusive", "pass") == 0


def test_a_test_without_a_baseline_is_not_green(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(run, make_timing(), make_accuracy(), make_timing("new"))
    assert judge(baseline, run, "--inconclusive", "pass") == 1
    expected = f"new: NO_BASELINE: has no baseline in {baseline}: run with --gate-update\n"
    assert expected in capsys.readouterr().out


def test_a_test_that_was_not_measured_for_want_of_a_baseline_is_not_green(
    baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = {entry.test: entry for entry in (make_timing(), make_accuracy())}
    known = Judgement("gone", Verdict.INCOMPATIBLE, "was not measured")  # no matter of this baseline
    write_run(run, entries, {"new": Judgement("new", Verdict.NO_BASELINE, "has no baseline"), "gone": known})
    assert judge(baseline, run, "--inconclusive", "pass") == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        "new: NO_BASELINE: has no baseline",
        "3 tests: 2 PASS, 1 NO_BASELINE",
    ]


def test_a_test_that_the_run_lacks_is_not_green(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(baseline, store(run, make_timing()), "--inconclusive", "pass") == 1
    assert f"{SCORED}: INCOMPATIBLE: was not measured, " in capsys.readouterr().out


def test_another_machine_is_not_green(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = {**FACTS, "machine": {**FACTS["machine"], "cpu_model": "Other"}}
    store(run, replace(make_timing(), facts=other), make_accuracy())
    assert judge(baseline, run, "--inconclusive", "pass") == 1
    assert f"{ONLINE}: INCOMPATIBLE: CPU model: Other here, Imaginary 9000 in" in capsys.readouterr().out


def test_nothing_at_all_is_not_green(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(store(baseline), store(run), "--inconclusive", "pass") == 1
    assert capsys.readouterr().out == "0 tests: nothing was judged\n"


def test_histories_of_pytest_benchmark_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1, 7):
        step_s = 0.025 * (1 + number / 1000)
        content = make_saved(make_benchmark(step_s=step_s if number > 1 else None), day=number)
        save(tmp_path / ".benchmarks" / "Linux" / f"{number:04}_x.json", content)
    one = save(tmp_path / "result.json", make_saved(make_benchmark(step_s=0.03), make_benchmark(BATCH)))
    assert judge(tmp_path / ".benchmarks", one) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("1 of 6 saved timings have no rounds, so their medians stand for them: ")
    assert f"{ONLINE}: REGRESSED: " in printed.out
    assert f"{BATCH}: NO_BASELINE: " in printed.out
    assert printed.out.endswith("2 tests: 1 REGRESSED, 1 NO_BASELINE\n")


def test_a_run_is_no_part_of_its_own_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = tmp_path / ".benchmarks"
    for number in range(1, 7):
        content = make_saved(make_benchmark(step_s=0.025 * (1 + number / 1000)), day=number)
        save(storage / f"{number:04}_x.json", content)
    slow = make_saved(make_benchmark(step_s=0.03, versions={"tensorflow": "3.0"}), day=7)
    assert judge(storage, save(storage / "0007_x.json", slow)) == 1
    assert f"{ONLINE}: REGRESSED: " in capsys.readouterr().out


def test_count_of_one() -> None:
    assert summarize([Judgement("a", Verdict.PASS, "")]) == "1 test: 1 PASS"


def test_missing_file(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refuse(capsys, "--baseline", baseline, "--run", run).startswith(f"{run} does not exist: ")
    assert refuse(capsys, "--baseline", run, "--run", baseline).startswith(f"{run} does not exist: ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is damaged"),
        ("7", "is not the gate's"),
        ('{"schema":"resnet_fixtures.gate","version":9,"entries":{}}', "has format 9"),
        ('{"benchmarks":[]}', "has no timing of this suite"),
    ],
)
def test_file_that_cannot_be_used(
    content: str, reason: str, baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.write_text(content)
    assert refuse(capsys, "--baseline", baseline, "--run", run).startswith(f"{run} {reason}")
    assert refuse(capsys, "--baseline", run, "--run", baseline).startswith(f"{run} {reason}")


def test_tolerance_in_an_entry_that_cannot_be(baseline: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(run, replace(make_timing(), facts={**FACTS, "gate_tolerance": "much"}), make_accuracy())
    assert refuse(capsys, "--baseline", baseline, "--run", run).startswith(f"{ONLINE}: 'much' is no tolerance; ")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "the following arguments are required: --baseline, --run"),
        (["--baseline", "a", "--run", "b", "--tolerance", "speed=2%"], "'speed=2%' names no metric; pass METRIC=2%"),
        (["--baseline", "a", "--run", "b", "--tolerance", "accuracy=2%"], "accuracy is judged in points"),
        (
            ["--baseline", "a", "--run", "b", "--tolerance", "latency_s=2%", "--tolerance", "latency_s=2%"],
            "argument --tolerance: latency_s has two tolerances, 2 % and 2 %; pass one",
        ),
        (["--baseline", "a", "--run", "b", "--inconclusive", "maybe"], "invalid choice: 'maybe'"),
    ],
)
def test_bad_command_line(options: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert reason in refuse(capsys, *options)


def test_the_command_itself_and_without_tensorflow(baseline: Path, run: Path) -> None:
    store(run, make_timing(step_s=0.03), make_accuracy())
    code = (
        "import runpy, sys; sys.modules.update({'tensorflow': None, 'pytest': None}); "
        "runpy.run_module('resnet_fixtures.gate', run_name='__main__', alter_sys=True)"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "--baseline", baseline, "--run", run],
        cwd=Path(module.__file__).parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 1, result.stderr
    assert result.stdout.endswith("2 tests: 1 PASS, 1 REGRESSED\n")
    assert result.stderr == ""


def test_the_command_s_bad_input(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "resnet_fixtures.gate", "--baseline", tmp_path / "a", "--run", tmp_path / "b"],
        cwd=Path(module.__file__).parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 4
    assert result.stderr.startswith(f"{PREFIX}{tmp_path}/a does not exist: ")
    assert "Traceback" not in result.stderr
