"""Accuracy under the gate: the same images are compared one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.accuracy.predictions import Predictions
from resnet_fixtures.gate.run_file import read_run
from resnet_fixtures.gate.samples import Metric
from resnet_fixtures.gated_score import scored_images
from tests.plugin.conftest import TESTS
from tests.plugin.gate.made_entries import replace_fact
from tests.plugin.test_preflight import refuses
from tests.plugin.told_samples import ToldGate, tell_samples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from resnet_fixtures.gate.samples import Entry
    from tests.plugin.conftest import SplitWriter, SuiteRunner

ACCURACY = TESTS / "accuracy" / "test_imagenet.py"
TEST = "tests/accuracy/test_imagenet.py::test_imagenet_accuracy[fp32-bs100]"
LABELS = [1 + number % 10 for number in range(40)]
USER = """
def test_score(scoring, tf_session, imagenet):
    assert scoring(tf_session, imagenet, "imagenet").predictions.images == 40
"""


@pytest.fixture
def gate(
    monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, pytester: pytest.Pytester, fp32_file: Path
) -> ToldGate:
    return tell_samples(monkeypatch, run_suite, pytester, fp32_file)


@pytest.fixture
def options(write_validation: SplitWriter) -> tuple[str, ...]:
    return (f"--data-location={write_validation(LABELS)}", "--batch-size=100", "--accuracy-tolerance=0.99")


def improve(entry: Entry, images: int) -> Entry:
    """Let so many of the wrong answers be right."""
    scored = entry.scored
    assert scored is not None
    wrong = [number for number, rank in enumerate(scored.ranks) if rank > 0][:images]
    ranks = [0 if number in wrong else rank for number, rank in enumerate(scored.ranks)]
    predictions = [LABELS[number] if number in wrong else one for number, one in enumerate(scored.predictions)]
    return replace(entry, scored=replace(scored, ranks=tuple(ranks), predictions=tuple(predictions)))


def test_equal_answers_pass(gate: ToldGate, options: tuple[str, ...]) -> None:
    gate.write_baseline(*options, tests=[ACCURACY])
    (entry,) = read_run(gate.baseline).values()
    assert (entry.test, entry.metric, entry.batch_size, entry.samples) == (TEST, Metric.ACCURACY, 100, ())
    assert entry.scored is not None
    assert len(entry.scored.ranks) == 40
    result = gate("--gate", *options, tests=[ACCURACY])
    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.fnmatch_lines([f"{TEST.replace('[', '[[]')}: PASS: * of 40 images right in top-1, as before, *"])
    assert gate.samples.orders == []


@pytest.mark.parametrize(
    ("lost", "tolerance", "verdict"),
    [
        (1, "5 points", "PASS"),
        (2, "5 points", "PASS"),
        (3, "5 points", "REGRESSED"),
        (1, "0.05 points", "REGRESSED"),
    ],
)
def test_lost_images_are_counted(
    gate: ToldGate, options: tuple[str, ...], lost: int, tolerance: str, verdict: str
) -> None:
    gate.write_baseline(*options, tests=[ACCURACY])
    gate.rewrite(lambda entry: improve(entry, lost))
    result = gate("--gate", *options, "-o", f"gate_tolerance=accuracy={tolerance}", tests=[ACCURACY])
    result.assert_outcomes(**{"passed" if verdict == "PASS" else "failed": 1}, deselected=2)
    result.stdout.fnmatch_lines(
        [f"*{verdict}: * of 40 images right in top-1, {lost} fewer than * prediction* differ*: {lost} worse, 0 better*"]
    )


def test_other_images_are_not_compared(gate: ToldGate, options: tuple[str, ...], write_validation: SplitWriter) -> None:
    gate.write_baseline(*options, tests=[ACCURACY])
    write_validation([2, *LABELS[1:]])  # one label differs
    result = gate("--gate", *options, tests=[ACCURACY])
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        ["INCOMPATIBLE: the images are others (40 here, 40 in base.json): pass the same --data*"]
    )


@pytest.mark.parametrize(
    ("cpu_model", "batch_size", "sentence"),
    [
        ("Another CPU", 100, "INCOMPATIBLE: CPU model: * here, Another CPU in base.json: *"),
        (None, 50, "NO_BASELINE: has no baseline in base.json: run with --gate-update"),
    ],
)
def test_what_cannot_be_judged_fails_before_the_first_image(
    gate: ToldGate, options: tuple[str, ...], cpu_model: str | None, batch_size: int, sentence: str
) -> None:
    gate.write_baseline(*options, tests=[ACCURACY])
    if cpu_model:
        gate.rewrite(lambda entry: replace(entry, facts=replace_fact(["machine", "cpu_model"], cpu_model, entry.facts)))
    for file in (gate.folder / "out").glob("*"):
        file.unlink()
    result = gate("--gate", *options, f"--batch-size={batch_size}", tests=[ACCURACY])
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines([sentence])
    assert list((gate.folder / "out").glob("*")) == [gate.read_output()]
    assert read_run(gate.read_output()) == {}


def test_benchmark_only_leaves_the_scores_out(gate: ToldGate, options: tuple[str, ...]) -> None:
    both = [ACCURACY, TESTS / "perf"]
    gate.write_baseline(*options, "--batch-size=8", tests=both)
    result = gate("--gate", *options, "--batch-size=8", "--benchmark-only", tests=both)
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()["passed"] == 1


def test_user_s_test_without_the_marker_is_judged_too(
    pytester: pytest.Pytester, gate: ToldGate, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_user=USER)
    gate.write_baseline(*options)
    gate.rewrite(lambda entry: improve(entry, 1))
    gate("--gate", *options).assert_outcomes(failed=1, deselected=2)


def test_tolerance_in_per_cent_is_refused_before_the_first_image(
    pytester: pytest.Pytester, gate: ToldGate, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(test_user=f"import pytest\n\n@pytest.mark.gate(tolerance='2%')\n{USER.lstrip()}")
    result = gate("--gate-update", *options)
    refuses(result, "*test_score*: gate(tolerance='2%'): accuracy is judged in points, not by 2 %; pass one such as *")
    assert not list((pytester.path / "out").glob("*"))


def make_predictions(filenames: Sequence[str], actual: Sequence[int]) -> Predictions:
    numbers = np.arange(len(filenames), dtype=np.int64)
    return Predictions(tuple(filenames), np.array(actual, dtype=np.int64), numbers + 5, numbers)


def test_digest_is_of_names_labels_and_order() -> None:
    first = scored_images(make_predictions(["a", "b"], [1, 2]))
    assert (first.predictions, first.ranks) == ((5, 6), (0, 1))
    assert first.images_sha256 == scored_images(make_predictions(["a", "b"], [1, 2])).images_sha256
    others = (
        make_predictions(["a", "c"], [1, 2]),
        make_predictions(["a", "b"], [1, 3]),
        make_predictions(["b", "a"], [2, 1]),
    )
    assert len({scored_images(one).images_sha256 for one in others} | {first.images_sha256}) == 4
