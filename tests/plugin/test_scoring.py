"""tests/accuracy on images whose right answers were computed one by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.data.preprocess import Preprocessing, decode_and_preprocess
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.session import InferenceSession
from resnet_fixtures.precision import Precision
from tests.plugin.conftest import ROOT, SUITE_SIDE, TESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from tests.plugin.conftest import SplitWriter, SuiteRunner

ACCURACY = TESTS / "accuracy" / "test_imagenet.py"
PLAN = ThreadPlan((0,), intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))


@pytest.fixture(scope="session")
def likely_labels(fp32_file: Path, suite_jpegs: Sequence[bytes]) -> npt.NDArray[np.int64]:
    """The labels of each image from the likeliest on, [40, 10], from one image at a time; the background is none."""
    preprocessing = Preprocessing.for_image_size(SUITE_SIDE)
    graph = load_frozen_graph(fp32_file, Precision.FP32)
    with InferenceSession(graph, PLAN) as session:
        images = (decode_and_preprocess(jpeg, preprocessing).numpy()[np.newaxis] for jpeg in suite_jpegs)
        rows = [session.predict(image)[0] for image in images]
    order = np.argsort(-np.stack(rows), axis=1, kind="stable")
    return np.stack([row[row > 0] for row in order]).astype(np.int64)


@pytest.fixture(scope="session")
def unlikely_labels(likely_labels: npt.NDArray[np.int64]) -> list[int]:
    """A label for each image that is not among the five likeliest, nor beside the likeliest."""
    return [int(next(label for label in row[::-1] if abs(label - row[0]) > 1)) for row in likely_labels]


def mix(likely_labels: npt.NDArray[np.int64], right: int) -> list[int]:
    """Label the first images right, the others with the second choice, but the last with the last: outside the five."""
    return [int(row[0] if n < right else row[1] if n < 39 else row[-1]) for n, row in enumerate(likely_labels)]


@pytest.fixture
def score(run_suite: SuiteRunner, fp32_file: Path) -> Callable[..., pytest.RunResult]:
    """Score the tiny fp32 graph on a data location, and pass these options on."""

    def run(location: Path, *arguments: object) -> pytest.RunResult:
        given = (f"--in-graph=fp32={fp32_file}", f"--data-location={location}", "--accuracy-only", "-m", "fp32")
        return run_suite(*given, *arguments, tests=[ACCURACY])

    return run


def read_json(folder: Path) -> dict[str, Any]:
    (file,) = folder.glob("*.json")
    result: dict[str, Any] = json.loads(file.read_text())
    return result


def test_exact_counts(
    pytester: pytest.Pytester, score: Callable[..., pytest.RunResult], write_validation: SplitWriter,
    likely_labels: npt.NDArray[np.int64],
) -> None:  # fmt: skip
    labels = mix(likely_labels, 31)
    result = score(
        write_validation(labels), "--batch-size=16", "--output-results", "--output-dir=out", "--junit-xml=junit.xml"
    )
    result.assert_outcomes(passed=1, deselected=2)  # 31 of 40 may be 0.7651
    result.stdout.fnmatch_lines(
        ["fp32 bs16: top-1 0.7750 [[]0.*, 0.*[]] (31), top-5 0.9750 [[]0.*, 0.*[]] (39) of 40 images of imagenet"]
    )
    fields = read_json(pytester.path / "out")
    assert (fields["images"], fields["correct1"], fields["top1"]) == (40, 31, 0.775)
    assert (fields["correct5"], fields["top5"]) == (39, 0.975)
    assert fields["top1_interval"][0] < 0.775 < fields["top1_interval"][1]
    assert (fields["precision"], fields["data"], fields["batch_size"]) == ("fp32", "imagenet", 16)
    assert set(fields) >= {"graph_sha256", "thread_plan", "isa", "versions", "images_per_s"}
    assert '<property name="correct1" value="31"' in (pytester.path / "junit.xml").read_text()
    (results,) = (pytester.path / "out").glob("resnet50v1_5_fp32_inference_results_*.txt")
    rows = [line.split(",") for line in results.read_text().splitlines()]
    assert rows[0] == ["filename", "actual", "prediction"]
    assert [(row[0], int(row[1])) for row in rows[1:]] == [(f"image_{n}.JPEG", label) for n, label in enumerate(labels)]
    assert sum(row[1] == row[2] for row in rows[1:]) == 31
    (log,) = (pytester.path / "out").glob("benchmark_*.log")
    lines = log.read_text().splitlines()
    assert lines[0] == "Inference with real data."
    assert [line.split(".")[0] for line in lines if line.startswith("Processed")] == [
        "Processed 16 images", "Processed 32 images", "Processed 40 images"
    ]  # fmt: skip
    assert lines[-3].startswith("Processed 40 images. (Top1 accuracy, Top5 accuracy) = (0.7750, ")
    assert lines[-2] == "Ran inference with batch size 16"
    assert lines[-1] == f"Log file location: out/{log.name}"
    assert not list((pytester.path / "out").glob("*.journal"))


def test_too_few_right_fails_with_the_counts(
    score: Callable[..., pytest.RunResult], write_validation: SplitWriter, likely_labels: npt.NDArray[np.int64],
    unlikely_labels: list[int],
) -> None:  # fmt: skip
    labels = [int(row[0]) if number < 20 else unlikely_labels[number] for number, row in enumerate(likely_labels)]
    result = score(write_validation(labels))
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(
        ["fp32 on 40 of 50,000 images: top-1 0.5000 (20 right, *) is below 0.7651 less 0.0005, *"]
    )
    result.stdout.fnmatch_lines(
        [
            "*: fp32 is far below 0.7651: looking for the usual mistake …",
            "* were tried on a sample, and none explains it: *",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "labels are taken" not in result.stdout.str()


def test_part_of_the_set_passes_within_its_interval_and_the_tolerance(
    score: Callable[..., pytest.RunResult], write_validation: SplitWriter, likely_labels: npt.NDArray[np.int64],
    unlikely_labels: list[int],
) -> None:  # fmt: skip
    labels = [int(row[0]) if number < 24 else unlikely_labels[number] for number, row in enumerate(likely_labels)]
    location = write_validation(labels)
    score(location).assert_outcomes(failed=1, deselected=2)  # at most 0.737 at 95 %
    score(location, "--accuracy-tolerance=0.5").assert_outcomes(passed=1, deselected=2)


def test_planted_mistake_is_named(
    score: Callable[..., pytest.RunResult], write_validation: SplitWriter, likely_labels: npt.NDArray[np.int64]
) -> None:
    labels = [max(int(row[0]) - 1, 1) for row in likely_labels]
    hits = sum(label + 1 == row[0] for label, row in zip(labels, likely_labels, strict=True))
    result = score(write_validation(labels))
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines([
        f"fp32 on 40 of 50,000 images: * On 40 images top-1 is {hits / 40:.3f} instead of 0.* when the labels are "
        "taken one higher: convert the data again, or pass a graph whose classes are counted like the data's."
    ])  # fmt: skip


def test_each_batch_is_shown_live_with_v(
    score: Callable[..., pytest.RunResult], write_validation: SplitWriter, likely_labels: npt.NDArray[np.int64]
) -> None:
    location = write_validation([int(row[0]) for row in likely_labels])
    assert sum(line.startswith("Processed ") for line in score(location, "--batch-size=10", "-v").outlines) == 4
    assert sum(line.startswith("Processed ") for line in score(location, "--batch-size=10").outlines) == 0


def start_slowly(location: Path, graph: Path, folder: Path, cache_home: Path) -> subprocess.Popen[bytes]:
    """Start a run whose every batch takes a third of a second more."""
    (folder / "slow.py").write_text(
        "import time\nfrom resnet_fixtures.accuracy.journal import Journal\nappend = Journal.append\n"
        "Journal.append = lambda self, batch: (append(self, batch), time.sleep(0.3))\n"
    )
    command = [
        sys.executable, "-m", "pytest", "-p", "slow", "-p", "no:cacheprovider", "-m", "fp32", "--batch-size=2",
        f"--in-graph=fp32={graph}", f"--data-location={location}", "--output-dir=out", str(ACCURACY),
    ]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": f"{folder}:{ROOT}", "XDG_CACHE_HOME": str(cache_home)}
    return subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_lines(file: Path, lines: int, process: subprocess.Popen[bytes], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and file.read_bytes().count(b"\n") >= lines:
            return
        time.sleep(0.02)
    raise AssertionError(f"{file} has no {lines} lines after {timeout_s} s")


class TestResume:
    @pytest.fixture
    def location(self, write_validation: SplitWriter, likely_labels: npt.NDArray[np.int64]) -> Path:
        return write_validation(mix(likely_labels, 33))

    def test_killed_run_goes_on_to_the_same_counts(
        self, pytester: pytest.Pytester, score: Callable[..., pytest.RunResult], location: Path, fp32_file: Path,
        cache_home: Path,
    ) -> None:  # fmt: skip
        journal = pytester.path / "out" / "accuracy_imagenet_fp32.journal"
        process = start_slowly(location, fp32_file, pytester.path, cache_home)
        wait_for_lines(journal, 4, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        scored = 2 * (journal.read_bytes().count(b"\n") - 1)
        assert 6 <= scored < 40

        (pytester.path / "resumed").mkdir()
        journal.rename(pytester.path / "resumed" / journal.name)
        score(location, "--resume", "--output-dir=resumed").assert_outcomes(passed=1, deselected=2)
        score(location, "--output-dir=unbroken").assert_outcomes(passed=1, deselected=2)
        resumed, unbroken = (read_json(pytester.path / folder) for folder in ("resumed", "unbroken"))
        assert (resumed["resumed_images"], unbroken["resumed_images"]) == (scored, 0)
        counts = ("images", "correct1", "correct5", "top1_interval", "top5_interval")
        assert [resumed[name] for name in counts] == [unbroken[name] for name in counts]
        assert unbroken["correct1"] == 33

    def test_nothing_left_still_logs_the_total(
        self, pytester: pytest.Pytester, score: Callable[..., pytest.RunResult], location: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Die between the last batch and the end."""

        def fail(path: Path, fields: object) -> None:
            raise OSError("killed here")

        with monkeypatch.context() as patch:
            patch.setattr("resnet_fixtures.scoring.write_result", fail)
            score(location, "--output-dir=first").assert_outcomes(failed=1, deselected=2)
        (journal,) = (pytester.path / "first").glob("*.journal")
        (pytester.path / "second").mkdir()
        journal.rename(pytester.path / "second" / journal.name)
        score(location, "--output-dir=second", "--resume").assert_outcomes(passed=1, deselected=2)
        (log,) = (pytester.path / "second").glob("*.log")
        lines = log.read_text().splitlines()
        assert lines[1].startswith("Processed 40 images. (Top1 accuracy, Top5 accuracy) = (0.8250, ")
        assert lines[2] == "Ran inference with batch size 100"
        assert read_json(pytester.path / "second")["resumed_images"] == 40

    def test_journal_of_other_images_is_refused(
        self, pytester: pytest.Pytester, score: Callable[..., pytest.RunResult], location: Path
    ) -> None:
        out = pytester.path / "out"
        out.mkdir()
        (out / "accuracy_imagenet_fp32.journal").write_text('{"graph": "another"}\n')
        result = score(location, "--output-dir=out", "--resume")
        result.assert_outcomes(failed=1, deselected=2)
        result.stdout.fnmatch_lines(
            ["out/accuracy_imagenet_fp32.journal is from another run (it differs in graph, *): *"]
        )
        assert "Traceback" not in result.stdout.str()
