from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.bfloat16 import convert_to_bfloat16
from resnet_fixtures.graph.edit import EditableGraph
from resnet_fixtures.graph.freeze import OUTPUT_NAME, freeze
from resnet_fixtures.graph.frozen import FrozenGraph, load_frozen_graph
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.session import InferenceSession, check_probabilities, session_config
from resnet_fixtures.precision import Precision
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from resnet_fixtures.inference.session import Images, Probabilities

PLAN = ThreadPlan(cpus=(0,), intra=2, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
IMAGES = dummy_images(3, 32)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> FrozenGraph:
    path: Path = tmp_path_factory.mktemp("session") / "fp32.pb"
    path.write_bytes(freeze(Architecture(4, 11, 32), random_weights(0)).SerializeToString())
    return load_frozen_graph(path, Precision.FP32)


@pytest.fixture
def session(graph: FrozenGraph) -> Iterator[InferenceSession]:
    with InferenceSession(graph, PLAN) as session:
        yield session


def run_plainly(graph: FrozenGraph, images: Images) -> Probabilities:
    with tf.Graph().as_default() as tf_graph, tf.compat.v1.Session(graph=tf_graph) as session:
        tf.graph_util.import_graph_def(graph.graph_def, name="")
        probabilities: Probabilities = session.run("softmax_tensor:0", {"input_tensor:0": images})
        return probabilities


def test_the_prepared_call_gives_what_session_run_gives(session: InferenceSession, graph: FrozenGraph) -> None:
    np.testing.assert_allclose(session.predict(IMAGES), run_plainly(graph, IMAGES), rtol=1e-4)


def test_a_step_is_deterministic(session: InferenceSession) -> None:
    np.testing.assert_array_equal(session.predict(IMAGES), session.predict(IMAGES))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_any_batch_size_may_follow_another(session: InferenceSession, batch_size: int) -> None:
    assert session.predict(IMAGES).shape == (3, 11)
    assert session.predict(IMAGES[:batch_size]).shape == (batch_size, 11)


def test_nothing_is_looked_up_in_a_step(session: InferenceSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        pytest.fail("a prepared call goes past Session.run")

    monkeypatch.setattr(tf.compat.v1.Session, "run", fail)
    assert session.predict(IMAGES).shape == (3, 11)


def test_bfloat16_sums_to_one(graph: FrozenGraph) -> None:
    converted = replace(graph, graph_def=convert_to_bfloat16(graph.graph_def, OUTPUT_NAME), precision=Precision.BF16)
    with InferenceSession(converted, PLAN) as session:
        np.testing.assert_allclose(session.checked_predict(IMAGES), run_plainly(graph, IMAGES), atol=0.01)


def test_pools_are_the_plans_and_sleep_and_the_remapper_trusts_the_placeholder(graph: FrozenGraph) -> None:
    config = session_config(replace(PLAN, intra=3, inter=2), graph.graph_def)
    assert (config.intra_op_parallelism_threads, config.inter_op_parallelism_threads) == (3, 2)
    assert config.use_per_session_threads
    assert config.experimental.disable_thread_spinning
    assert config.graph_options.rewrite_options.remapping == 3  # RewriterConfig.AGGRESSIVE


def test_a_closed_session_predicts_no_more(graph: FrozenGraph) -> None:
    with InferenceSession(graph, PLAN) as session:
        pass
    with pytest.raises(tf.errors.CancelledError, match="closed"):
        session.predict(IMAGES)


def test_checked_predictions_are_checked(session: InferenceSession) -> None:
    probabilities = session.checked_predict(IMAGES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    session.graph = replace(session.graph, classes=1001)
    with pytest.raises(InputError, match=r"gave \(3, 11\) for 3 images and 1001 classes: pass another graph"):
        session.checked_predict(IMAGES)


def test_a_graph_that_fails_as_it_runs_is_told_in_one_sentence(graph: FrozenGraph) -> None:
    edited = EditableGraph(graph.graph_def)
    row = edited.add_constant("row", np.zeros((1, 0), np.float32))
    axis = edited.add_constant("axis", np.array(1, np.int32))
    edited.add("fixed", "ConcatV2", ["softmax_tensor", row, axis], T=1, Tidx=3).attr["N"].i = 2
    broken = replace(graph, graph_def=edited.pruned("fixed"), output_name="fixed")
    expected = r"fp32\.pb does not run on TensorFlow [\d.]+\S* here \(.*\): pass another graph\.$"
    with InferenceSession(broken, PLAN) as session:
        assert session.checked_predict(IMAGES[:1]).shape == (1, 11)
        with pytest.raises(InputError, match=expected):
            session.checked_predict(IMAGES)


def test_a_graph_without_a_kernel_is_refused_before_the_first_image(graph: FrozenGraph) -> None:
    edited = EditableGraph(graph.graph_def)
    convolution = next(node for node in edited.nodes.values() if node.op == "Conv2D")
    convolution.attr["strides"].list.i[:] = [2, 1, 1, 1]
    broken = replace(graph, graph_def=edited.pruned(graph.output_name))
    with pytest.raises(InputError, match=r"does not run on TensorFlow .* here \(.*strides.*\): pass another graph"):
        InferenceSession(broken, PLAN)


def test_too_little_memory_is_cured_by_a_smaller_batch(session: InferenceSession) -> None:
    def fail(images: object) -> NoReturn:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nwith shape")

    session.predict = fail
    with pytest.raises(InputError, match=r"here \(OOM when allocating tensor\): pass a smaller --batch-size"):
        session.run_once(IMAGES)


def test_probabilities_pass(graph: FrozenGraph) -> None:
    check_probabilities(np.full((2, 11), 1 / 11, np.float32), 2, graph)


@pytest.mark.parametrize("shape", [(1, 11), (2, 10), (2,), (2, 11, 1)])
def test_another_shape_is_refused(graph: FrozenGraph, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="for 2 images and 11 classes: pass another graph"):
        check_probabilities(np.ones(shape, np.float32), 2, graph)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(graph: FrozenGraph, value: float) -> None:
    probabilities = np.full((2, 11), 1 / 11, np.float32)
    probabilities[1, 4] = value
    with pytest.raises(InputError, match="probabilities that are not finite: its weights are broken"):
        check_probabilities(probabilities, 2, graph)


@pytest.mark.parametrize(
    ("row", "sums"),
    [([1.5] + [0] * 10, "1.000 … 1.500"), ([0] * 11, "0.000 … 1.000"), ([-1, 2] + [0] * 9, "1.000 … 1.000")],
)
def test_what_is_no_distribution_is_refused(graph: FrozenGraph, row: list[float], sums: str) -> None:
    probabilities = np.array([[1] + [0] * 10, row], np.float32)
    with pytest.raises(InputError, match=f"gave probabilities that sum to {sums}, not 1"):
        check_probabilities(probabilities, 2, graph)
