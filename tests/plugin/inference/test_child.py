from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from resnet_fixtures.errors import REFUSED, InputError
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.child import (
    ChildOrder,
    child_command,
    child_environment,
    describe_end,
    inference_environment,
    run_child,
)
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from resnet_fixtures.graph.frozen import FrozenGraph

PLAN = ThreadPlan(
    cpus=(2, 3), intra=2, inter=1, data_intra=2, data_inter=1, quota=1.5, sockets=(0,), nodes=(1,), smt_siblings=1
)


@pytest.fixture(scope="module")
def graph(tiny_graph: Path) -> FrozenGraph:
    return load_frozen_graph(tiny_graph, Precision.FP32)


@pytest.mark.parametrize("images_file", [None, Path("/data/batch.npy")])
def test_order_survives_its_journey(images_file: Path | None) -> None:
    order = ChildOrder(Path("/graphs/é 1.pb"), Precision.BF16, PLAN, 128, images_file, images_seed=3)
    assert "\n" not in order.to_json()
    assert ChildOrder.from_json(order.to_json()) == order


def test_dummy_images_are_drawn_from_the_orders_seed(tiny_graph: Path, graph: FrozenGraph) -> None:
    batches = []
    for seed in (0, 1):
        session, images = ChildOrder(tiny_graph, Precision.FP32, PLAN, 2, images_seed=seed).open_session(graph)
        session.close()
        batches.append(images)
    assert batches[0].shape == batches[1].shape == (2, 32, 32, 3)
    assert not np.array_equal(batches[0], batches[1])


def test_images_file_is_fed_as_it_is_and_aligned(tiny_graph: Path, graph: FrozenGraph, tmp_path: Path) -> None:
    written = np.random.default_rng(0).random((3, 32, 32, 3), dtype=np.float32)
    np.save(tmp_path / "batch.npy", written)
    session, images = ChildOrder(tiny_graph, Precision.FP32, PLAN, 3, tmp_path / "batch.npy").open_session(graph)
    session.close()
    np.testing.assert_array_equal(images, written)
    assert type(images) is np.ndarray
    assert images.ctypes.data % 64 == 0


def test_images_file_of_another_size_would_falsify_the_throughput(
    tiny_graph: Path, graph: FrozenGraph, tmp_path: Path
) -> None:
    np.save(tmp_path / "batch.npy", np.zeros((3, 32, 32, 3), np.float32))
    order = ChildOrder(tiny_graph, Precision.FP32, PLAN, 4, tmp_path / "batch.npy")
    with pytest.raises(InputError, match=r"batch\.npy has 3 images: write the batch size, 4\."):
        order.open_session(graph)


def test_environment_is_the_users_with_openmp_for_the_childs_plan() -> None:
    environment = child_environment(PLAN, {"HOME": "/home/me", "KMP_BLOCKTIME": "30", "PYTHONPATH": "/mine"})
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["KMP_BLOCKTIME"] == "30"
    assert environment["HOME"] == "/home/me"
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "2"
    root, mine = environment["PYTHONPATH"].split(os.pathsep)
    assert (Path(root) / "resnet_fixtures/inference/child.py").is_file()
    assert mine == "/mine"


def test_users_own_settings_win() -> None:
    mine = {"OMP_NUM_THREADS": "7", "TF_CPP_MIN_LOG_LEVEL": "0", "TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD": "0"}
    assert mine.items() <= child_environment(PLAN, mine).items()
    assert mine.items() <= inference_environment(PLAN, mine).items()


def test_calling_thread_computes_in_inference_alone() -> None:
    name = "TF_ONEDNN_THREADPOOL_USE_CALLER_THREAD"
    assert inference_environment(PLAN, {})[name] == "1"
    assert name not in child_environment(PLAN, {})


def test_empty_python_path_does_not_add_the_current_folder() -> None:
    assert os.pathsep not in child_environment(PLAN, {"PYTHONPATH": ""})["PYTHONPATH"]


def test_command_is_this_very_python() -> None:
    assert child_command("a.module") == [sys.executable, "-m", "a.module"]


def test_input_error_ends_the_child_with_its_sentence_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise InputError("--in-graph x.pb is no file: pass another.")

    with pytest.raises(SystemExit, match=f"^{REFUSED}$"):
        run_child(fail)
    assert capsys.readouterr().err == "--in-graph x.pb is no file: pass another.\n"


def test_other_errors_keep_their_traceback() -> None:
    def fail() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match=r"^a bug$"):
        run_child(fail)


@pytest.mark.parametrize(
    ("status", "log", "sentence"),
    [
        (3, "first\n\n  second  \n", "ended with exit status 3; its last words: first | second"),
        (0, "", "ended with exit status 0; its last words: none"),
        (-11, "", "was killed by SIGSEGV; its last words: none"),
        (-40, "", "was killed by signal 40; its last words: none"),
        (1, "\n".join("abcdefg"), "ended with exit status 1; its last words: c | d | e | f | g"),
    ],
)  # fmt: skip
def test_end_is_told_with_status_and_last_words(status: int, log: str, sentence: str) -> None:
    assert describe_end(status, log) == sentence


def test_sigkill_comes_with_its_usual_cause_and_cure() -> None:
    hint = "the kernel does so when memory runs out: pass a smaller --batch-size"
    assert describe_end(-9, "bye") == f"was killed by SIGKILL ({hint}); its last words: bye"


def test_what_tensorflow_says_at_every_start_is_nobodys_last_word() -> None:
    log = (
        "I0000 00:00:1795448149.900630   12701 cudart_stub.cc:31] Could not find cuda drivers on your machine.\n"
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "F0000 00:00:1795448149.900630   12701 threadpool.cc:9] Check failed: thread creation via pthread_create()\n"
    )
    assert describe_end(-6, log).startswith("was killed by SIGABRT; its last words: F0000 ")


@pytest.mark.parametrize(("mine", "is_loaded"), [({}, False), ({"TF_USE_LEGACY_KERAS": "0"}, True)])
def test_inference_starts_without_keras_unless_told_otherwise(mine: dict[str, str], *, is_loaded: bool) -> None:
    command = [sys.executable, "-c", "import sys, tensorflow; print('keras.src' in sys.modules)"]
    environment = inference_environment(PLAN, {**os.environ, **mine})
    assert subprocess.run(command, env=environment, capture_output=True, text=True).stdout == f"{is_loaded}\n"
