from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.report.terminal import pack_hits
from resnet_fixtures.summary import ATTRIBUTE, ResultSummary, attach_result, kind, place

if TYPE_CHECKING:
    from tests.plugin.conftest import SuiteRunner


def make_report(nodeid: str = "test_it.py::test_it", when: Any = "call") -> pytest.TestReport:
    return pytest.TestReport(nodeid, ("test_it.py", 1, "test_it"), {}, "passed", None, when)


def make_score(precision: str, hits: list[bool], **more: object) -> dict[str, object]:
    import numpy as np

    right = sum(hits)
    fields = {
        "precision": precision, "batch_size": 100, "data": "digits", "images": len(hits), "correct1": right,
        "correct5": len(hits), "top1": right / len(hits), "top5": 1.0, "top1_interval": [0.1, 0.9],
        "top5_interval": [0.8, 1.0], "images_digest": "d", "images_per_s": 5.0, "hits1": pack_hits(np.array(hits)),
    }  # fmt: skip
    return {**fields, **more}


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_result_belongs_to_the_call(when: str) -> None:
    report = make_report(when=when)
    attach_result(report, {"precision": "int8"})
    assert not hasattr(report, ATTRIBUTE)


def test_test_without_a_result_has_none() -> None:
    report = make_report()
    attach_result(report, None)
    assert not hasattr(report, ATTRIBUTE)


def test_result_survives_xdist_s_trip(pytester: pytest.Pytester) -> None:
    report = make_report()
    attach_result(report, {"precision": "int8", "top1_interval": [0.1, 0.9]})
    config = pytester.parseconfig()
    data = config.hook.pytest_report_to_serializable(config=config, report=report)
    arrived = config.hook.pytest_report_from_serializable(config=config, data=data)
    assert getattr(arrived, ATTRIBUTE) == {"precision": "int8", "top1_interval": [0.1, 0.9]}


@pytest.mark.parametrize("distributed", [(), ("-n", "1")])
def test_reasons_of_skipped_tests_are_told_once(
    pytester: pytest.Pytester, run_suite: SuiteRunner, distributed: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        "import pytest\n\n@pytest.mark.imagenet\n@pytest.mark.accuracy\n"
        "def test_score(precision, scoring):\n    pass\n\n"
        "@pytest.mark.skip(reason='not of the suite')\ndef test_other():\n    pass\n"
    )
    result = run_suite(*distributed)
    result.assert_outcomes(skipped=4)
    title = "*= ResNet-50 v1.5, not run =*"
    result.stdout.fnmatch_lines([title, "3 skipped: needs ImageNet: pass --data-location DIR"])
    assert "not of the suite" not in result.stdout.str()


def test_results_are_placed_by_size_then_precision() -> None:
    results = [
        {"precision": precision, "batch_size": size} for size in (128, 1) for precision in ("bf16", "int8", "fp32")
    ]
    assert [(result["batch_size"], result["precision"]) for result in sorted(results, key=place)] == [
        (size, precision) for size in (1, 128) for precision in ("int8", "fp32", "bf16")
    ]


class Lines:
    """Stands in for the terminal reporter."""

    def __init__(self) -> None:
        self.sections: list[str] = []
        self.lines: list[str] = []

    def section(self, title: str) -> None:
        self.sections.append(title)

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def summarise(*results: dict[str, object]) -> Lines:
    summary, terminal = ResultSummary(), Lines()
    for number, result in enumerate(results):
        report = make_report(f"test_it.py::test_{number}")
        attach_result(report, result)
        summary.pytest_runtest_logreport(report)
    summary.pytest_runtest_logreport(make_report("test_it.py::test_other"))
    summary.pytest_terminal_summary(terminal)  # type: ignore[arg-type]
    return terminal


def test_nothing_is_written_without_results() -> None:
    assert summarise().sections == []


def test_scores_are_written_with_their_comparison() -> None:
    terminal = summarise(make_score("bf16", [True, False]), make_score("int8", [True, True]))
    assert terminal.sections == ["ResNet-50 v1.5 accuracy"]
    assert [line.split(":")[0] for line in terminal.lines] == [
        "int8 bs100", "bf16 bs100", "int8 and bf16 do not differ beyond chance on 2 images"
    ]  # fmt: skip


def test_other_images_are_not_compared() -> None:
    other = make_score("int8", [True, True], images_digest="e")
    assert len(summarise(make_score("bf16", [True, False]), other).lines) == 2


@pytest.mark.parametrize(
    ("result", "name"),
    [
        ({"mode": "online"}, "inference"),
        ({}, "inference"),
        ({"top1": 0.5}, "accuracy"),
        ({"mode": "training", "loss_last": 1.0}, "training"),
        ({"mode": "convergence", "top1": 0.98}, "convergence"),
    ],
)
def test_kind_of_a_result(result: dict[str, object], name: str) -> None:
    assert kind(result) == name


def test_trials_come_before_runs_to_the_target_and_beside_scores() -> None:
    trial = {
        "mode": "training", "precision": "fp32", "batch_size": 16, "processes": 1, "images_per_s": 7.0,
        "latency_median_s": 2.0, "steps": 17, "warmup_steps": 3, "loss_first": 6.9, "loss_last": 2.9,
        "input_share": 0.0, "communication_share": 0.0, "kernels": {"sentence": "fp32 is native."},
    }  # fmt: skip
    run = {
        "mode": "convergence", "precision": "fp32", "batch_size": 8, "processes": 1, "data": "digits", "top1": 0.98,
        "correct1": 353, "images": 360, "epochs": 6, "target": 0.97, "reached": True, "time_to_train_s": 50.0,
        "time_to_train_reason": "The time of one run.", "frozen_top1": None,
    }  # fmt: skip
    terminal = summarise(run, {**trial, "precision": "bf16"}, make_score("fp32", [True]), trial)
    assert terminal.sections == ["ResNet-50 v1.5 accuracy", "ResNet-50 v1.5 training"]
    heads = [line.split(":")[0] for line in terminal.lines if not line.startswith(" ")]
    assert heads == ["fp32 bs100", "fp32 bs16, 1 process", "bf16 bs16, 1 process", "fp32 bs8, 1 process on digits"]
