from __future__ import annotations

from graphlib import CycleError

import numpy as np
import pytest

from resnet_fixtures.graph.edit import FLOAT32, EditableGraph, attribute, node_name, sort_levels, strip_annotations
from tests.plugin.lazy_tensorflow import GraphDef, tf


@pytest.fixture
def graph_def() -> GraphDef:
    """Two branches of a placeholder that meet, beside a node that nothing needs."""
    graph_def = tf.compat.v1.GraphDef(versions={"producer": 2474})
    for name, op, inputs in (
        ("sum", "AddV2", ["left", "right:0"]),
        ("left", "Relu", ["images"]),
        ("right", "Split", ["one", "images"]),
        ("one", "Const", []),
        ("images", "Placeholder", []),
        ("unused", "Identity", ["sum", "^left"]),
    ):
        graph_def.node.add(name=name, op=op, input=inputs)
    graph_def.node[3].attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(1)))
    return graph_def


@pytest.fixture
def graph(graph_def: GraphDef) -> EditableGraph:
    return EditableGraph(graph_def)


@pytest.mark.parametrize("reference", ["a/b", "a/b:0", "a/b:12", "^a/b"])
def test_a_reference_names_its_node(reference: str) -> None:
    assert node_name(reference) == "a/b"


def test_levels_put_every_node_behind_what_it_reads(graph_def: GraphDef) -> None:
    levels = [{node.name for node in nodes} for nodes in sort_levels(graph_def.node)]
    assert levels == [{"one", "images"}, {"left", "right"}, {"sum"}, {"unused"}]


def test_a_loop_has_no_levels(graph_def: GraphDef) -> None:
    graph_def.node[1].input.append("sum")
    with pytest.raises(CycleError, match="cycle"):
        list(sort_levels(graph_def.node))


def test_reading_an_attribute_adds_none(graph: EditableGraph) -> None:
    assert attribute(graph.nodes["left"], "T").type == 0
    assert attribute(graph.nodes["one"], "value").tensor.dtype == FLOAT32
    assert not graph.nodes["left"].attr


def test_annotations_are_dropped(graph_def: GraphDef) -> None:
    left, unused = graph_def.node[1], graph_def.node[5]
    left.device = "/job:worker/task:1/device:GPU:0"
    left.attr["_XlaMustCompile"].b = True
    left.attr["T"].type = FLOAT32
    strip_annotations(graph_def)
    assert (left.device, list(left.attr)) == ("", ["T"])
    assert list(unused.input) == ["sum"]
    assert list(graph_def.node[0].input) == ["left", "right"]


def test_the_original_stays_as_it_was(graph_def: GraphDef, graph: EditableGraph) -> None:
    before = graph_def.SerializeToString()
    graph.add("new", "Relu", ["sum"], T=FLOAT32)
    graph.replace("left", "Tanh", ["images"])
    assert graph_def.SerializeToString() == before


def test_producers_and_consumers(graph: EditableGraph) -> None:
    assert graph.producer("right:1").op == "Split"
    assert [node.name for node in graph.consumers("images")] == ["left", "right"]
    assert [node.name for node in graph.consumers("left")] == ["sum", "unused"]
    assert [node.name for node in graph.of_type("Re", "Sp")] == ["left", "right"]


def test_only_consumer_is_the_one_reader_of_output_0(graph: EditableGraph) -> None:
    reader = graph.only_consumer("sum")
    assert reader is not None
    assert reader.name == "unused"
    assert graph.only_consumer("images") is None  # two
    assert graph.only_consumer("unused") is None  # none
    graph.nodes["unused"].input[0] = "sum:1"
    assert graph.only_consumer("sum") is None


def test_constants_are_read(graph: EditableGraph) -> None:
    assert graph.constant("one:0") == np.float32(1)
    assert graph.constant("left") is None
    graph.nodes["one"].op = "HostConst"
    assert graph.constant("one") == np.float32(1)


def test_an_added_node_never_takes_a_name_away(graph: EditableGraph) -> None:
    assert graph.add("left", "Cast", ["images"], SrcT=1, DstT=14).name == "left_"
    assert graph.add_constant("left", np.arange(3, dtype=np.int32)) == "left__"
    added = graph.constant("left__")
    assert added is not None
    assert added.tolist() == [0, 1, 2]
    assert added.dtype == np.int32
    assert graph.nodes["left"].op == "Relu"


def test_a_replaced_node_keeps_its_name_and_nothing_else(graph: EditableGraph) -> None:
    graph.nodes["left"].attr["alpha"].f = 0.3
    node = graph.replace("left", "BiasAdd", ["images", "one"], T=FLOAT32)
    assert (node.name, node.op, list(node.input), list(node.attr)) == ("left", "BiasAdd", ["images", "one"], ["T"])
    graph.replace_by_constant("right", np.ones(2, np.float32))
    assert graph.nodes["right"].op == "Const"
    assert not graph.nodes["right"].input


def test_pruning_keeps_what_is_needed_in_order_and_the_version(graph: EditableGraph) -> None:
    pruned = graph.pruned("sum")
    assert [node.name for node in pruned.node] == ["sum", "left", "right", "one", "images"]
    assert pruned.versions.producer == 2474
