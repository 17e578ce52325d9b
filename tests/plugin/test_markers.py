from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.markers import MARKERS, precision_of, runnable, selected_precisions
from resnet_fixtures.precision import Precision
from tests.plugin.conftest import TESTS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugin.conftest import SplitWriter, SuiteRunner

MODULE = """
import pytest

def test_both(precision, batch_size): pass

@pytest.mark.accuracy
def test_score(batch_size): pass

@pytest.mark.perf(mode="online")
def test_online(batch_size): pass

@pytest.mark.perf(mode="batch")
def test_batch(batch_size): pass

@pytest.mark.parametrize("precision", ["fp32"])
@pytest.mark.parametrize("batch_size", [3], ids=["three"])
def test_by_hand(precision, batch_size, frozen_graph): pass
"""


def collect(run_suite: SuiteRunner, *arguments: object) -> list[str]:
    result = run_suite("--collect-only", "-q", *arguments)
    return [line.partition("::test_")[2] for line in result.outlines if "::" in line]


@pytest.fixture
def module(pytester: pytest.Pytester) -> Path:
    return pytester.makepyfile(MODULE)


def test_parameters_by_kind_of_test(module: Path, run_suite: SuiteRunner) -> None:
    assert collect(run_suite) == [
        "both[int8-bs1]", "both[int8-bs128]", "both[fp32-bs1]", "both[fp32-bs128]", "both[bf16-bs1]",
        "both[bf16-bs128]", "score[bs100]", "online[bs1]", "batch[bs128]", "by_hand[three-fp32]",
    ]  # fmt: skip


def test_sizes_that_were_asked_for_go_where_they_fit(module: Path, run_suite: SuiteRunner) -> None:
    assert collect(run_suite, "--batch-size=1,32,64", "-k", "not both") == [
        "score[bs1]", "score[bs32]", "score[bs64]", "online[bs1]", "batch[bs32]", "batch[bs64]", "by_hand[three-fp32]"
    ]  # fmt: skip


def test_test_whose_mode_takes_none_is_deselected(module: Path, run_suite: SuiteRunner) -> None:
    result = run_suite("--collect-only", "-q", "--batch-size=1", "-k", "online or batch or score")
    result.stdout.fnmatch_lines(["*::test_score[[]bs1[]]", "*::test_online[[]bs1[]]"])
    result.stdout.no_fnmatch_line("*::test_batch*")
    result.stdout.fnmatch_lines(["*deselected*"])


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("int8", ["both[int8-bs1]", "both[int8-bs128]"]),
        ("fp32", ["both[fp32-bs1]", "both[fp32-bs128]", "by_hand[three-fp32]"]),
        ("perf and not bf16", ["online[bs1]", "batch[bs128]"]),
    ],
)
def test_m_selects_a_precision_whoever_gave_it(
    module: Path, run_suite: SuiteRunner, expression: str, names: list[str]
) -> None:
    assert collect(run_suite, "-m", expression) == names


def test_accuracy_only_leaves_the_others_out(module: Path, run_suite: SuiteRunner) -> None:
    assert collect(run_suite, "--accuracy-only") == ["score[bs100]"]


def test_markers_are_listed(run_suite: SuiteRunner) -> None:
    output = run_suite("--markers").stdout.str()
    assert all(f"@pytest.mark.{marker}" in output for marker in MARKERS)


def test_what_cannot_run_is_skipped_with_what_to_pass(run_suite: SuiteRunner) -> None:
    result = run_suite("-rs", "-m", "int8", tests=[TESTS / "accuracy" / "test_imagenet.py"])
    result.assert_outcomes(skipped=1, deselected=2)
    result.stdout.fnmatch_lines(["SKIPPED * needs ImageNet: pass --data-location DIR"])


def test_embedded_graphs_are_not_scored_on_imagenet_nor_digits_beside_it(
    run_suite: SuiteRunner, fp32_file: Path, write_validation: SplitWriter
) -> None:
    location = write_validation([1, 2, 3, 4])
    result = run_suite(
        f"--data-location={location}", f"--in-graph=fp32={fp32_file}", "-rs", "-m", "int8", tests=[TESTS / "accuracy"]
    )
    result.assert_outcomes(skipped=2, deselected=4)
    result.stdout.fnmatch_lines_random(
        [
            "SKIPPED * the embedded graph has random weights: pass --in-graph int8=PATH",
            "SKIPPED * the embedded digits are scored where no --data-location is given",
        ]
    )


def items_of(pytester: pytest.Pytester, source: str, *arguments: str) -> list[pytest.Item]:
    items, _ = pytester.inline_genitems(pytester.makepyfile(source), "-p", "resnet_fixtures.plugin", *arguments)
    return list(items)


def test_precision_is_told_from_other_people_s_numbers(pytester: pytest.Pytester) -> None:
    items = items_of(
        pytester,
        "import pytest\n\n@pytest.mark.parametrize('precision', ['bf16', 0.1, [3], None, 'double'])\n"
        "def test_it(precision): pass\n",
    )
    assert [precision_of(item) for item in items] == [Precision.BF16, None, None, None, None]
    assert not any(item.get_closest_marker("bf16") for item in items)  # they use no fixture of ours


def test_selected_precisions_are_those_that_run(pytester: pytest.Pytester) -> None:
    items = items_of(
        pytester,
        "import pytest\n\nSKIPPED = pytest.param('int8', marks=pytest.mark.skip)\n\n"
        "@pytest.mark.parametrize('precision', ['fp32', SKIPPED])\n"
        "def test_it(precision, frozen_graph): pass\n\n"
        "@pytest.mark.parametrize('precision', ['bf16', [1]])\ndef test_foreign(precision): pass\n",
    )
    assert selected_precisions(items) == (Precision.FP32,)
    assert [item.name for item in runnable(items)] == ["test_it[fp32]"]
