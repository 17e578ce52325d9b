from __future__ import annotations

import json
import statistics
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.gate.run_file import read_run, write_run
from resnet_fixtures.gate.verdict import Judgement, Verdict
from resnet_fixtures.report.history import Machine
from resnet_fixtures.report.stored_history import read_history
from tests.plugin.report.told_runs import (
    BEGIN,
    CPU,
    OTHER_CPU,
    TEST,
    make_accuracy_entry,
    make_benchmark,
    make_facts,
    write_baseline,
    write_gate_run,
    write_history,
    write_saved_run,
    write_score,
    write_training,
)

if TYPE_CHECKING:
    from resnet_fixtures.gate.samples import Entry

NOISE = np.random.default_rng(0)


def test_saved_runs_come_in_the_order_of_time(tmp_path: Path) -> None:
    write_history(tmp_path, 3)
    history = read_history(tmp_path, tmp_path / "none")
    assert [run.time.day for run in history.runs] == [1, 2, 3]
    assert [len(series.points) for series in history.series] == [3] * 6
    result = history.series[0].newest
    assert (result.precision, result.batch_size, result.machine) == ("int8", 1, Machine(CPU, "avx512_vnni_bf16", 2))
    assert result.images_per_s == pytest.approx(1 / result.latency_s)
    assert result.quantiles[-1][0] == 1.0
    assert result.facts["memory"] == "16.0 GiB"


def test_single_file_is_a_storage(tmp_path: Path) -> None:
    path = write_saved_run(tmp_path, 0, [make_benchmark("int8", 1, 58.0, NOISE)])
    assert len(read_history(path, tmp_path / "none").runs) == 1


def test_benchmarks_of_other_suites_are_left_out_and_counted(tmp_path: Path) -> None:
    other = {"name": "x", "fullname": "x", "extra_info": {}, "stats": {}}
    write_saved_run(tmp_path, 0, [make_benchmark("int8", 1, 58.0, NOISE), other])
    write_saved_run(tmp_path, 1, [other])
    history = read_history(tmp_path, tmp_path / "none")
    assert (len(history.runs), history.left_out) == (1, 2)


def test_other_machine_threads_and_processes_are_trends_of_their_own(tmp_path: Path) -> None:
    changes: tuple[dict[str, object], ...] = (
        {},
        make_facts(cpu=OTHER_CPU),
        {"thread_plan": {"cpus": [0, 1], "intra": 1, "inter": 2}},
        {"instances": [{"cpus": [0]}, {"cpus": [1]}]},
        {"data": "imagenet"},
    )
    for night, change in enumerate(changes):
        benchmark = make_benchmark("int8", 1, 58.0, NOISE)
        benchmark["extra_info"] |= change
        write_saved_run(tmp_path, night, [benchmark])
    history = read_history(tmp_path, tmp_path / "none")
    assert sorted(len(series.points) for series in history.series) == [1] * len(changes)
    assert [machine.cpu_model for machine in history.machines] == [CPU, OTHER_CPU]


def test_run_without_rounds_has_the_quantiles_of_its_summary(tmp_path: Path) -> None:
    benchmark = make_benchmark("int8", 1, 58.0, NOISE)
    benchmark["stats"] = {"min": 0.01, "q1": 0.02, "median": 0.03, "q3": 0.04, "max": 0.09}
    benchmark["extra_info"]["latency_p90_s"] = 0.05
    write_saved_run(tmp_path, 0, [benchmark])
    quantiles = read_history(tmp_path, tmp_path / "none").series[0].newest.quantiles
    assert quantiles == ((0.0, 0.01), (0.25, 0.02), (0.5, 0.03), (0.75, 0.04), (0.9, 0.05), (1.0, 0.09))


def test_gate_run_has_results_and_verdicts(tmp_path: Path) -> None:
    write_gate_run(tmp_path / "gate_1.json", 4, Verdict.REGRESSED)
    history = read_history(tmp_path / "none", tmp_path)
    (run,), (series,) = history.runs, history.series
    assert [(judged.test, judged.verdict) for judged in run.judged] == [(TEST, "REGRESSED")]
    assert (series.newest.samples, series.newest.steps, series.newest.batch_size) == (10, 90, 128)
    low, high = series.newest.interval or (0.0, 0.0)
    assert low < series.newest.images_per_s < high


def test_verdicts_of_a_night_that_measured_nothing_are_the_newest(tmp_path: Path) -> None:
    write_gate_run(tmp_path / "gate_1.json", 4)
    gone = Judgement(TEST, Verdict.INCOMPATIBLE, "was not measured")
    write_run(tmp_path / "gate_2.json", {}, {TEST: gone}, BEGIN + timedelta(days=5))
    runs = read_history(tmp_path / "none", tmp_path).runs
    assert [[judged.verdict for judged in run.judged] for run in runs] == [["PASS"], ["INCOMPATIBLE"]]


def test_place_that_errors_name_is_the_file(tmp_path: Path) -> None:
    write_gate_run(tmp_path / "gate_1.json", 4)
    text = (tmp_path / "gate_1.json").read_text()
    (tmp_path / "gate_1.json").write_text(text.replace('"precision":"int8"', '"precision":5'))
    with pytest.raises(InputError, match=r"gate_1\.json: .*int8-bs128.*: precision is '5', where a text is needed"):
        read_history(tmp_path / "none", tmp_path)


def test_gated_and_saved_run_is_one_with_the_verdict_and_the_commit(tmp_path: Path) -> None:
    write_gate_run(tmp_path / "gate_4.json", 4)
    (entry,) = read_run(tmp_path / "gate_4.json").values()
    gated, alone = make_benchmark("int8", 128, 40.0, NOISE), make_benchmark("fp32", 128, 20.0, NOISE)
    gated["extra_info"]["gate_process_medians_s"] = [statistics.median(sample.steps_s) for sample in entry.samples]
    write_saved_run(tmp_path, 4, [gated])
    gated["extra_info"]["gate_process_medians_s"] = [1.0]
    write_saved_run(tmp_path, 5, [gated, alone])
    first, second = read_history(tmp_path, tmp_path / "none").runs
    assert ([judged.test for judged in first.judged], len(first.results), first.node) == ([TEST], 1, "perf-02")
    assert first.commit.endswith("main")
    assert (second.judged, len(second.results)) == ((), 2)


def test_run_that_two_files_have_is_one(tmp_path: Path) -> None:
    """As with --benchmark-autosave and --benchmark-json."""
    path = write_saved_run(tmp_path / "storage", 4, [make_benchmark("int8", 128, 40.0, NOISE)])
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "run.json").write_bytes(path.read_bytes())
    assert len(read_history(tmp_path / "storage", tmp_path / "results").runs) == 1


def test_baseline_is_no_run_but_a_line(tmp_path: Path) -> None:
    write_history(tmp_path, 3, sizes=(128,))
    write_baseline(tmp_path / "gate-baseline.json")
    history = read_history(tmp_path, tmp_path / "none")
    assert [number for number, _ in history.numbered()] == [1, 2, 3]
    assert [series.baseline is not None for series in history.series] == [True, False, False]


def judge(entry: Entry) -> dict[str, Judgement]:
    return {entry.test: Judgement(entry.test, Verdict.PASS, "no image lost")}


def test_accuracy_of_a_gate_run_is_a_score(tmp_path: Path) -> None:
    entry = make_accuracy_entry((0, 0, 0, 4, 5))
    write_run(tmp_path / "gate_1.json", {entry.test: entry}, judge(entry), created=BEGIN)
    (score,) = read_history(tmp_path / "none", tmp_path).scores
    assert (score.precision, score.data, score.images, score.correct1, score.correct5) == ("int8", "imagenet", 5, 3, 4)
    assert score.interval == pytest.approx((0.2307, 0.8824), abs=1e-4)  # Wilson's of 3 of 5


def test_a_gated_run_that_left_its_own_result_is_one_score(tmp_path: Path) -> None:
    entry = make_accuracy_entry((0, 0, 0, 4, 5))
    for day in (19, 21, 22):
        created = datetime(2026, 3, day, tzinfo=timezone.utc)
        write_run(tmp_path / f"gate_{day}.json", {entry.test: entry}, judge(entry), created=created)
    interval = read_history(tmp_path / "none", tmp_path).scores[0].interval
    own = write_score(tmp_path, "int8", 3, images=5, day=20)
    own.write_text(json.dumps({**json.loads(own.read_text()), "correct5": 4, "top1_interval": interval}))
    scores = read_history(tmp_path / "none", tmp_path).scores
    # The first gate's is older than the result, the second is the result's own, and the third has none.
    assert [Path(one.source).name for one in scores] == ["gate_19.json", own.name, "gate_22.json"]


def test_score_of_a_training_s_model_is_none_of_the_accuracy(tmp_path: Path) -> None:
    write_score(tmp_path, "int8", 38_110)
    trained = write_score(tmp_path, "int8", 100, day=21)
    trained.write_text(json.dumps({**json.loads(trained.read_text()), "of_training": True}))
    assert [score.correct1 for score in read_history(tmp_path / "none", tmp_path).scores] == [38_110]


def test_scores_come_in_the_order_in_which_they_were_created(tmp_path: Path) -> None:
    """Not in that of their names, which carry the time of wherever they were made."""
    newest, oldest = write_score(tmp_path, "int8", 38_100, day=20), write_score(tmp_path, "int8", 38_110, day=21)
    for path, created in ((newest, "2026-03-20T23:30:00-08:00"), (oldest, "2026-03-21T00:15:00+08:00")):
        path.write_text(json.dumps({"created": created, **json.loads(path.read_text())}))
    assert [score.correct1 for score in read_history(tmp_path, tmp_path).newest_scores()] == [38_100]


def test_scores_and_trainings_stand_beside_the_logs(tmp_path: Path) -> None:
    write_score(tmp_path, "int8", 38_100, day=20)
    write_score(tmp_path, "int8", 38_110, day=21)
    write_training(tmp_path)
    trial = {"mode": "training", "precision": "fp32", "images_per_s": 7.0}
    (tmp_path / "benchmark_resnet50v1_5_training_fp32_20260322_050000.json").write_text(json.dumps(trial))
    history = read_history(tmp_path / "none", tmp_path)
    assert [score.correct1 for score in history.scores] == [38_100, 38_110]
    assert [score.correct1 for score in history.newest_scores()] == [38_110]
    assert [(one.is_reached, one.time_to_train_s) for one in history.trainings] == [(True, 61.5)]


def test_change_names_what_changed_with_it(tmp_path: Path) -> None:
    write_history(tmp_path, 40, sizes=(128,))
    changes = [change for series in read_history(tmp_path, tmp_path / "none").series for change in series.changes]
    assert [change.cause for change in changes] == ["tensorflow 2.20.0 → 2.21.0"] * 3
    assert [change.point.number for change in changes] == [23] * 3
    assert all(-0.075 < change.relative < -0.045 for change in changes)


def test_change_may_come_with_the_gates_way_to_sample(tmp_path: Path) -> None:
    for night in range(6):
        write_saved_run(tmp_path, night, [make_benchmark("int8", 128, 40.0, NOISE)])
        write_gate_run(tmp_path / f"gate_{night}.json", 10 + night)
    (series,) = read_history(tmp_path, tmp_path / "none").series
    assert [change.cause for change in series.changes] == ["1 → 10 fresh processes"]


def test_missing_storage_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: run pytest with --benchmark-autosave first"):
        read_history(tmp_path / "none", tmp_path / "none")


def test_empty_storage_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="have no result of this suite: run pytest with --benchmark-autosave"):
        read_history(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"benchmarks": [', "is damaged"),
        ('{"hello": 1}', "is no result of pytest-benchmark or of this suite: move it out of the folder"),
        ('{"schema": "resnet_fixtures.gate", "version": 99, "entries": {}}', "has format 99"),
        ('{"precision": "int8", "data": "digits", "correct1": 9, "correct5": 5, "images": 5, "top1_interval": [0, 1]}',
         "9 and 5 right answers of 5 images cannot be"),
        ('{"benchmarks": [{"extra_info": {"precision": "int8", "batch_size": 1, "images_per_s": NaN, '
         '"latency_median_s": "1"}}], "datetime": "2026-03-01", "machine_info": {}}', "have no result"),
        ('{"benchmarks": [{"fullname": "t", "extra_info": {"precision": "int8", "batch_size": 1, "images_per_s": 5, '
         '"latency_median_s": "1"}}], "datetime": "2026-03-01", "machine_info": {"a": 1}}',
         "latency_median_s is '1'"),
    ],
)  # fmt: skip
def test_broken_and_foreign_files_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "0001_x.json").write_text(content)
    with pytest.raises(InputError, match=reason):
        read_history(tmp_path, tmp_path / "none")


def test_baseline_s_accuracy_is_of_another_night(tmp_path: Path) -> None:
    entry = make_accuracy_entry((0, 0, 0, 4, 5))
    write_run(tmp_path / "gate-baseline.json", {entry.test: entry})
    write_score(tmp_path, "int8", 38_110)
    history = read_history(tmp_path, tmp_path)
    assert [score.correct1 for score in history.newest_scores()] == [38_110]
