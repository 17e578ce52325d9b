"""Carry the tests' results to the end of the run, also from xdist's workers, and write the closing section."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from resnet_fixtures.precision import Precision
from resnet_fixtures.report.terminal import accuracy_lines, paired_lines, performance_lines
from resnet_fixtures.report.training_report import convergence_lines, trial_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

KINDS = ("inference", "accuracy", "training", "convergence")
ATTRIBUTE = "resnet_fixtures_result"  # of a test report; xdist sends a report's attributes along
SKIPPED = "resnet_fixtures_skipped"  # likewise, why a test of the suite was skipped


def attach_result(report: pytest.TestReport, result: Mapping[str, object] | None) -> None:
    """Put a test's result fields on the report of its call."""
    if result is not None and report.when == "call":
        setattr(report, ATTRIBUTE, dict(result))


def attach_reason(report: pytest.TestReport) -> None:
    """Put the reason on the report of a test of the suite's that was skipped."""
    if report.skipped and isinstance(report.longrepr, tuple):
        setattr(report, SKIPPED, report.longrepr[2].removeprefix("Skipped: "))


def place(result: Mapping[str, Any]) -> tuple[int, int]:
    """Say where a result belongs among the others: by batch size, then in the order of Precision."""
    return result["batch_size"], list(Precision).index(Precision(result["precision"]))


def kind(result: Mapping[str, Any]) -> str:
    """Tell which of KINDS a result is."""
    mode = str(result.get("mode"))
    if mode in KINDS:
        return mode
    return "accuracy" if "top1" in result else "inference"


class ResultSummary:
    """Collects result fields by test id, and why tests were skipped, and writes them at the end."""

    def __init__(self) -> None:
        self._results: dict[str, dict[str, object]] = {}
        self._reasons: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the result of a test that has one, or why it was skipped."""
        if hasattr(report, SKIPPED):
            self._reasons[getattr(report, SKIPPED)] += 1
        result = getattr(report, ATTRIBUTE, None)
        if result is not None:
            self._results[report.nodeid] = result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write one line a test, then what the precisions say of each other."""
        results = sorted(self._results.values(), key=place)  # xdist's workers finish in any order
        timed, scored, trials, trainings = ([one for one in results if kind(one) == mode] for mode in KINDS)
        for title, lines in (
            ("ResNet-50 v1.5 inference", performance_lines(timed)),
            ("ResNet-50 v1.5 accuracy", [*accuracy_lines(scored), *paired_lines(scored)]),
            ("ResNet-50 v1.5 training", [*trial_lines(trials), *convergence_lines(trainings)]),
            ("ResNet-50 v1.5, not run", [f"{count} skipped: {reason}" for reason, count in self._reasons.items()]),
        ):
            if lines:
                terminalreporter.section(title)
                for line in lines:
                    terminalreporter.write_line(line)
