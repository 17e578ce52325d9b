from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.markers import MARKERS, precision_of, runnable, selected_precisions
from resnet_fixtures.precision import Precision
from tests.plugin.conftest import TESTS

if TYPE_CHECKING:
    from collections.abc import Sequence
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


@pytest.mark.parametrize("mark", ["tolerance=2", "'2%'", "tolerance='2%', metric='x'"])
def test_gate_s_marker_is_checked_without_the_gate(
    pytester: pytest.Pytester, run_suite: SuiteRunner, mark: str
) -> None:
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.gate({mark})\ndef test_one(timed_inference):\n    pass\n")
    result = run_suite()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *::test_one[[]*[]]: mark it gate(tolerance=…) with a text such as '2%'."])
    pytester.makepyfile(f"import pytest\n\n@pytest.mark.gate({mark})\ndef test_one():\n    pass\n")
    run_suite().assert_outcomes(passed=1)


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


TRAINING = TESTS / "training"
TRAINING_MODULE = """
import pytest

def test_speed(timed_inference): pass

@pytest.mark.training
def test_trial(timed_training): pass

@pytest.mark.training
@pytest.mark.parametrize("precision", ["bf16"])
def test_target(precision, convergence_training): pass
"""


def select(run_suite: SuiteRunner, *arguments: object, tests: Sequence[object] = (TESTS,)) -> set[str]:
    """Name the selected tests without their parameters."""
    ignored = ("--ignore", TESTS / "plugin") if tests == (TESTS,) else ()
    result = run_suite("--collect-only", "-q", *arguments, *ignored, tests=tests)
    return {line.rpartition("::")[2].partition("[")[0] for line in result.outlines if "::" in line}


INFERENCE_TESTS = {"test_online_inference", "test_batch_inference", "test_digits_accuracy", "test_imagenet_accuracy"}
TRIALS = {"test_training_trial", "test_distributed_trial"}
TRAININGS = TRIALS | {"test_mlperf_convergence"}


def test_trainings_have_their_precisions_and_batch_size(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile(TRAINING_MODULE)
    assert collect(run_suite, "-k", "trial or target") == ["trial[fp32-bs16]", "trial[bf16-bs16]", "target[bf16]"]
    assert collect(run_suite, "-k", "trial", "-m", "bf16", "--batch-size=2,4") == ["trial[bf16-bs2]", "trial[bf16-bs4]"]


def test_two_processes_share_the_images_of_one_s_step(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    pytester.makepyfile(TRAINING_MODULE.replace("def test_trial", "@pytest.mark.distributed\ndef test_trial"))
    assert collect(run_suite, "-k", "trial") == ["trial[fp32-bs8]", "trial[bf16-bs8]"]
    assert collect(run_suite, "-k", "trial", "-m", "bf16", "--batch-size=16") == ["trial[bf16-bs16]"]


@pytest.mark.parametrize("arguments", [(), ("--benchmark-only",), ("--benchmark-only", "-m", "not int8")])
def test_benchmark_only_times_inference_alone(run_suite: SuiteRunner, arguments: tuple[str, ...]) -> None:
    selected = select(run_suite, *arguments)
    assert selected >= {"test_online_inference", "test_batch_inference"}
    assert selected & TRAININGS == (set() if arguments else TRAININGS)


@pytest.mark.parametrize(
    ("marker", "names"),
    [
        ("training", TRAININGS),
        ("training and fp32", TRAININGS),
        ("distributed", {"test_distributed_trial"}),
        ("mlperf", {"test_mlperf_convergence"}),
    ],
)
def test_benchmark_only_trains_where_a_marker_says_so(run_suite: SuiteRunner, marker: str, names: set[str]) -> None:
    assert select(run_suite, "--benchmark-only", "-m", marker) == names


@pytest.mark.parametrize(
    "place",
    [TRAINING, TRAINING / "test_trial.py", f"{TRAINING}/test_trial.py::test_training_trial"],
    ids=["folder", "file", "test"],
)
def test_benchmark_only_trains_where_the_folder_is_named(run_suite: SuiteRunner, place: object) -> None:
    assert "test_training_trial" in select(run_suite, "--benchmark-only", tests=(place,))


def test_folder_that_the_project_lies_in_names_no_training(pytester: pytest.Pytester, run_suite: SuiteRunner) -> None:
    project = pytester.mkdir("training")
    (project / "pytest.ini").write_text("[pytest]")
    (project / "test_it.py").write_text(TRAINING_MODULE)
    assert select(run_suite, "--benchmark-only", tests=(project,)) == {"test_speed"}
    assert select(run_suite, tests=(project,)) == {"test_speed", "test_trial", "test_target"}


def test_train_steps_are_a_trial_s(run_suite: SuiteRunner) -> None:
    result = run_suite("--train-steps=20", "-m", "mlperf", "-rs", tests=[TRAINING])
    result.assert_outcomes(skipped=2, deselected=4)
    result.stdout.fnmatch_lines(["SKIPPED * --train-steps asks for a trial: leave it out to train to the target"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-n", "2"), "timing tests do not run side by side: leave -n out to time"),
        (("--benchmark-disable",), "nothing would be measured: leave --benchmark-disable out to time"),
    ],
)
def test_trials_that_would_not_be_timed_are_skipped(
    run_suite: SuiteRunner, arguments: tuple[str, ...], reason: str
) -> None:
    result = run_suite(*arguments, "-m", "not mlperf", "-rs", tests=[TRAINING])
    assert {name: count for name, count in result.parseoutcomes().items() if name != "deselected"} == {"skipped": 4}
    result.stdout.fnmatch_lines([f"SKIPPED * {reason}"])


def test_several_processes_are_asked_for_on_imagenet(run_suite: SuiteRunner, write_validation: SplitWriter) -> None:
    location = write_validation([1, 2])
    result = run_suite(f"--data-location={location}", "-m", "distributed", "-rs", tests=[TRAINING])
    result.assert_outcomes(skipped=2, deselected=4)
    result.stdout.fnmatch_lines(["SKIPPED * trains in several processes: pass --mpi-num-processes N"])


def test_several_processes_need_as_many_cores(run_suite: SuiteRunner) -> None:
    result = run_suite("--num-cores=1", "-m", "distributed", "-rs", tests=[TRAINING])
    result.assert_outcomes(skipped=2, deselected=4)
    result.stdout.fnmatch_lines(["SKIPPED * two processes need two cores, and this run has one"])


@pytest.mark.skipif(len(read_topology().physical) < 2, reason="needs 2 cores")
def test_several_processes_need_mpi4py(run_suite: SuiteRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnet_fixtures.markers.find_spec", lambda name: None)
    result = run_suite("-m", "distributed", "-rs", tests=[TRAINING])
    result.assert_outcomes(skipped=2, deselected=4)
    result.stdout.fnmatch_lines(["SKIPPED * needs mpirun and mpi4py: pip install 'resnet-fixtures[[]mpi[]]'"])
