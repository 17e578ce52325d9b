"""Bad input: exit status 4, one sentence with the thing and the cure, before the first test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.graph.freeze import freeze
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.precision import Precision
from tests.plugin.conftest import QUICK, TESTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.plugin.conftest import SplitWriter, SuiteRunner

PERF, ACCURACY = TESTS / "perf", TESTS / "accuracy"
INT8_ONLINE = ("-m", "int8", "--batch-size", "1")


def refuses(result: pytest.RunResult, sentence: str) -> None:
    """Check the form of a refusal; `sentence` is a pattern for the line."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {sentence}"])
    output = result.stderr.str() + result.stdout.str()
    assert output.count("ERROR") == 1
    assert "Traceback" not in output
    assert not {"passed", "failed", "skipped", "errors"} & set(result.parseoutcomes())


def write_truncated(path: Path) -> None:
    content = freeze(Architecture(4, 11, 32), random_weights(0)).SerializeToString()
    path.write_bytes(content[: len(content) // 2])


def write_noise(path: Path) -> None:
    path.write_bytes(b"\x00\x01\x02 this is no protobuf " * 40)


def write_network_reader(path: Path) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="input_tensor")
        name = tf.io.read_file("/etc/passwd")
        logits = tf.reduce_mean(images, [1, 2]) + tf.cast(tf.strings.length(name), tf.float32)
        tf.nn.softmax(logits, name="softmax_tensor")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def write_no_input(path: Path) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        kernel = tf.constant(1.0, shape=[1, 1, 3, 11])
        features = tf.nn.conv2d(tf.constant(1.0, shape=[1, 8, 8, 3]), kernel, 1, "VALID")
        tf.nn.softmax(tf.reduce_mean(features, [1, 2]), name="softmax_tensor")
    path.write_bytes(graph.as_graph_def().SerializeToString())


def write_no_output(path: Path) -> None:
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        images = tf.compat.v1.placeholder(tf.float32, [None, 32, 32, 3], name="input_tensor")
        features = tf.nn.conv2d(images, tf.constant(1.0, shape=[1, 1, 3, 11]), 1, "VALID")
        tf.identity(features, name="maps")
    path.write_bytes(graph.as_graph_def().SerializeToString())


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (lambda path: None, "*graph.pb cannot be read (No such file or directory): pass a frozen GraphDef (.pb)."),
        (Path.mkdir, "*graph.pb is no file: pass a frozen GraphDef (.pb)."),
        (write_noise, "*graph.pb is no frozen GraphDef, or is truncated: *pass another file."),
        (write_truncated, "*graph.pb*truncated*fetch it again*"),
        (write_network_reader, "*graph.pb: node ReadFile is a ReadFile, which touches files, network or Python: pass*"),
        (write_no_input, "*graph.pb*placeholder*pass a graph with one, the images."),
        (write_no_output, "*graph.pb*: pass an image classifier's graph."),
    ],
)
def test_graph_that_cannot_be_used(
    run_suite: SuiteRunner, tmp_path: Path, write: Callable[[Path], object], sentence: str
) -> None:
    write(tmp_path / "graph.pb")
    refuses(run_suite("--in-graph", f"fp32={tmp_path}/graph.pb", "-m", "fp32", tests=[PERF]), sentence)


def test_graph_of_another_precision(run_suite: SuiteRunner, fp32_file: Path) -> None:
    result = run_suite("--in-graph", f"int8={fp32_file}", *INT8_ONLINE, tests=[PERF])
    cure = f"pass it as --in-graph fp32={fp32_file}, and select fp32 with -m"
    refuses(result, f"{fp32_file} computes in fp32, not in int8: {cure}.")


def test_graph_is_checked_even_if_its_precision_is_not_selected(run_suite: SuiteRunner, tmp_path: Path) -> None:
    result = run_suite("--in-graph", f"bf16={tmp_path}/none.pb", *INT8_ONLINE, tests=[PERF])
    refuses(result, "--in-graph */none.pb cannot be read (No such file or directory): pass a frozen GraphDef (.pb).")


def test_graph_that_nothing_runs_is_named(pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path) -> None:
    pytester.makepyfile("def test_it(precision, thread_plan):\n    pass\n")
    result = run_suite(f"--in-graph=fp32={fp32_file}", "-m", "int8")
    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.fnmatch_lines([f"*: --in-graph {fp32_file} is not run: no test of fp32 is selected"])


def test_bare_graph_needs_one_precision(run_suite: SuiteRunner, fp32_file: Path) -> None:
    result = run_suite(f"--in-graph={fp32_file}", "-m", "fp32 or bf16", tests=[PERF])
    refuses(
        result,
        f"--in-graph {fp32_file} does not say its precision, and fp32, bf16 are selected: "
        "write PRECISION=PATH, or select one with -m.",
    )


@pytest.mark.parametrize("second", ["int8={}", "{}"])
def test_two_graphs_for_one_precision(run_suite: SuiteRunner, fp32_file: Path, second: str) -> None:
    result = run_suite("--in-graph=int8=a.pb", f"--in-graph={second.format('b.pb')}", *INT8_ONLINE, tests=[PERF])
    refuses(result, "--in-graph names several graphs for int8 (a.pb, b.pb): pass one.")


def test_bare_graph_that_nothing_would_use(pytester: pytest.Pytester, run_suite: SuiteRunner, fp32_file: Path) -> None:
    pytester.makepyfile("def test_other():\n    raise AssertionError\n")
    refuses(
        run_suite(f"--in-graph={fp32_file}"),
        f"--in-graph {fp32_file} does not say its precision, and no test is selected that needs it: *",
    )


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        (lambda path: None, "The data location */images does not exist: name the folder of the images."),
        (Path.mkdir, "The data location */images is empty: put the images there or name another folder."),
        (Path.touch, "The data location */images is no folder: name the one of the images."),
        (
            lambda path: (path.mkdir(), (path / "train-00000-of-00001").write_bytes(b"")),
            "The data location */images has no validation split: name a folder of TFRecords named "
            "validation-00000-of-00128 and so on, or of JPEGs named ILSVRC2012_val_00000001.JPEG and so on.",
        ),
        (
            lambda path: (path.mkdir(), (path / "validation-00000-of-00001").write_bytes(b"torn")),
            "*/images/validation-00000-of-00001*record 1*",
        ),
        (
            lambda path: (path.mkdir(), (path / "cat.jpg").write_bytes(b"meow")),
            "*/images/cat.jpg has no known label: keep ImageNet's own file names, *",
        ),
        (lambda path: path.symlink_to(path), "The data location */images cannot be read (*): check it."),
    ],
)
def test_data_location_that_cannot_be_used(
    run_suite: SuiteRunner, tmp_path: Path, fp32_file: Path, prepare: Callable[[Path], object], sentence: str
) -> None:
    prepare(tmp_path / "images")
    graph = f"fp32={fp32_file}"
    refuses(run_suite(f"--data-location={tmp_path}/images", "--in-graph", graph, tests=[ACCURACY]), sentence)


def test_batch_larger_than_the_data(run_suite: SuiteRunner, write_validation: SplitWriter, fp32_file: Path) -> None:
    location = write_validation([1, 2, 3, 4])
    graph = f"fp32={fp32_file}"
    result = run_suite(
        f"--data-location={location}", "--in-graph", graph, "--batch-size", "5", "-m", "fp32", tests=[PERF]
    )
    refuses(result, f"--data-location {location} has 4 images, less than a batch of 5: pass a smaller --batch-size.")


def test_batch_of_a_test_without_marks_that_is_larger_than_the_data(
    pytester: pytest.Pytester, run_suite: SuiteRunner, write_validation: SplitWriter, fp32_file: Path
) -> None:
    location = write_validation([1, 2, 3, 4])
    pytester.makepyfile("def test_speed(timed_inference):\n    timed_inference()\n")
    graph = f"fp32={fp32_file}"
    result = run_suite(f"--data-location={location}", "--in-graph", graph, "--batch-size", "5", "-m", "fp32")
    refuses(result, f"--data-location {location} has 4 images, less than a batch of 5: pass a smaller --batch-size.")


@pytest.mark.parametrize("tests", [PERF, ACCURACY])
def test_batch_larger_than_the_memory(run_suite: SuiteRunner, fp32_file: Path, tests: Path) -> None:
    graph = f"fp32={fp32_file}"
    result = run_suite("--in-graph", graph, "-m", "fp32", "--batch-size", 10**9, tests=[tests])
    refuses(
        result,
        "--batch-size 1000000000 takes 560760 GiB for its images alone, this run may use * GiB: pass a smaller one.",
    )


@pytest.mark.parametrize("below", ["", "/below"])
def test_output_dir_that_is_a_file(run_suite: SuiteRunner, tmp_path: Path, fp32_file: Path, below: str) -> None:
    (tmp_path / "out").touch()
    graph = f"fp32={fp32_file}"
    result = run_suite(f"--output-dir={tmp_path}/out{below}", "--in-graph", graph, "-m", "fp32", tests=[PERF])
    refuses(result, f"--output-dir {tmp_path}/out{below}: {tmp_path}/out is no folder: pass a folder that you may *")


def test_output_dir_that_leads_nowhere(run_suite: SuiteRunner, tmp_path: Path, fp32_file: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "gone")
    result = run_suite(f"--output-dir={tmp_path}/out", f"--in-graph={fp32_file}", "-m", "fp32", tests=[PERF])
    refuses(result, f"--output-dir {tmp_path}/out: {tmp_path}/out is no folder: pass a folder that you may *")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_output_dir_that_may_not_be_written(run_suite: SuiteRunner, tmp_path: Path, fp32_file: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o555)
    result = run_suite(f"--output-dir={tmp_path}/out", f"--in-graph={fp32_file}", "-m", "fp32", tests=[PERF])
    refuses(result, f"--output-dir {tmp_path}/out: {tmp_path}/out may not be written: pass a folder that you may *")


def test_output_dir_matters_only_where_something_is_written(
    pytester: pytest.Pytester, run_suite: SuiteRunner, tmp_path: Path
) -> None:
    (tmp_path / "out").touch()
    pytester.makepyfile("def test_plan(thread_plan):\n    assert thread_plan.cpus\n")
    run_suite(f"--output-dir={tmp_path}/out").assert_outcomes(passed=1)


def test_histogram_without_pygal(run_suite: SuiteRunner, fp32_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnet_fixtures.preflight.find_spec", lambda name: None)
    result = run_suite("--benchmark-histogram=h", "--in-graph", f"fp32={fp32_file}", "-m", "fp32", tests=[PERF])
    refuses(result, "--benchmark-histogram needs pygal: run `pip install 'resnet-fixtures[histogram?'` first.")


def test_inputs_are_left_alone_by_help_and_collection(run_suite: SuiteRunner, tmp_path: Path) -> None:
    bad = ("--in-graph", f"fp32={tmp_path}/none.pb", f"--data-location={tmp_path}/none")
    assert run_suite(*bad, "--collect-only", "-q", tests=[PERF]).ret == pytest.ExitCode.OK
    assert run_suite(*bad, "--help").ret == pytest.ExitCode.OK


def test_broken_record_fails_the_run_in_one_sentence(
    run_suite: SuiteRunner, write_validation: SplitWriter, fp32_file: Path
) -> None:
    location = write_validation([1, 2, 3, 4, 99, 6])
    graph = f"fp32={fp32_file}"
    result = run_suite(f"--data-location={location}", "--in-graph", graph, "-m", "fp32", tests=[ACCURACY])
    result.assert_outcomes(failed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [f"{location}/validation-00001-of-00002, record 2: label 99 is outside 1..10, the labels of a graph with 11 *"]
    )
    assert "Traceback" not in result.stdout.str()


class TestWhatTensorFlowCannotMultiply:
    @pytest.fixture
    def no_bf16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(precision: Precision, plan: object) -> str | None:
            return "TensorFlow cannot multiply in bf16 here: no primitive" if precision is Precision.BF16 else None

        monkeypatch.setattr("resnet_fixtures.inference.attempt.why_it_fails", refuse)

    def test_is_skipped_with_the_reason(
        self, run_suite: SuiteRunner, suite_graphs: Mapping[Precision, Path], no_bf16: None
    ) -> None:
        graphs = [f"--in-graph={precision}={suite_graphs[precision]}" for precision in (Precision.FP32, Precision.BF16)]
        result = run_suite(*graphs, "-m", "fp32 or bf16", "--batch-size", "1", "-rs", *QUICK, tests=[PERF])
        result.assert_outcomes(passed=1, skipped=1, deselected=4)
        result.stdout.fnmatch_lines(["SKIPPED*TensorFlow cannot multiply in bf16 here: no primitive"])

    def test_does_not_excuse_a_bad_graph(self, run_suite: SuiteRunner, fp32_file: Path, no_bf16: None) -> None:
        result = run_suite(f"--in-graph=bf16={fp32_file}", "-m", "bf16", tests=[PERF])
        refuses(result, "* computes in fp32, not in bf16: pass it as --in-graph fp32=*")


def test_cache_that_is_no_folder(run_suite: SuiteRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = run_suite(PERF, *QUICK, *INT8_ONLINE)
    refuses(result, f"the cache folder {tmp_path}/file/resnet_fixtures cannot be used (Not a directory): make room, *")
