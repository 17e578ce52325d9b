from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.check import MAX_NODES, check_graph
from resnet_fixtures.graph.edit import EditableGraph
from tests.plugin.lazy_tensorflow import GraphDef, tf

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def graph_def(fp32_graph: GraphDef) -> GraphDef:
    """Give each test a graph of its own to spoil."""
    return EditableGraph(fp32_graph).pruned("softmax_tensor")


def refuse(graph_def: GraphDef, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        check_graph(graph_def, "x.pb")
    message = str(caught.value)
    assert message.startswith("x.pb")
    assert message.endswith(".")
    assert message.isprintable()
    assert len(message) < 400


@pytest.mark.parametrize("fixture", ["fp32_graph", "int8_graph"])
def test_our_own_graphs_pass(request: pytest.FixtureRequest, fixture: str) -> None:
    check_graph(request.getfixturevalue(fixture), "x.pb")


OUTSIDE = (
    "ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc", "DebugIdentity",
    "DebugIdentityV3", "SaveV2", "RestoreV2", "RpcCall", "_Send", "_Recv", "TFRecordDataset", "LoadDataset", "PrintV2",
    "SummaryWriter", "InitializeTableFromTextFileV2", "ImportEvent",
)  # fmt: skip
NEEDLESS = (
    "VarHandleOp", "VariableV2", "AssignVariableOp", "While", "StatelessWhile", "If", "PartitionedCall", "Enter",
    "NextIteration", "Merge", "Switch", "Fill", "Tile", "Range", "BroadcastTo", "ResizeBilinear", "DecodeJpeg",
    "Custom", "RandomUniform", "IdentityN", "PlaceholderWithDefault", "Where", "XlaLaunch", "_MklFusedConv2D", "Assert",
)  # fmt: skip


@pytest.mark.parametrize("op", [*OUTSIDE, *NEEDLESS])
def test_operations_that_are_not_listed_are_refused_by_name(graph_def: GraphDef, op: str) -> None:
    graph_def.node.add(name="evil", op=op)
    reason = "touches files, network or Python" if op in OUTSIDE else "is none that an image classifier's frozen graph"
    refuse(graph_def, f"x.pb: node evil is a {op}, which {reason}.*: pass a graph frozen for inference")


def test_urls_in_a_debug_node_never_get_as_far_as_tensorflow(graph_def: GraphDef) -> None:
    node = graph_def.node.add(name="spy", op="DebugIdentity", input=["input_tensor"])
    node.attr["debug_urls"].list.s.extend([b"grpc://evil:6064", b"file:///tmp/tfdbg"])
    refuse(graph_def, "node spy is a DebugIdentity, which touches files, network or Python")


@pytest.mark.parametrize("op", ["Read\x1b[31mFile", "A" * 5000, "Bad\nName", ""])
def test_what_a_terminal_should_not_see_is_not_shown(graph_def: GraphDef, op: str) -> None:
    graph_def.node.add(name="odd", op=op)
    refuse(graph_def, "node odd is a '")


@pytest.mark.parametrize("name", ["", "a b", "^a", "a:0", "a\x1b[2J", "../../x\n", "x" * 10_000, "_a"])
def test_names_that_tensorflow_would_not_write(graph_def: GraphDef, name: str) -> None:
    graph_def.node.add(name=name, op="NoOp")
    refuse(graph_def, "is no name for a node: pass a graph that TensorFlow wrote")


def test_two_nodes_of_one_name(graph_def: GraphDef) -> None:
    graph_def.node.add(name="conv1/conv", op="NoOp")
    refuse(graph_def, "two nodes are named conv1/conv")


def test_no_nodes() -> None:
    refuse(tf.compat.v1.GraphDef(), "holds no graph: pass a frozen GraphDef")


def test_too_many_nodes(graph_def: GraphDef) -> None:
    for number in range(MAX_NODES):
        graph_def.node.add(name=f"n{number}", op="NoOp")
    refuse(graph_def, r"has \d+ nodes, over 10000: pass a ResNet-50 graph")


def test_a_function_library(graph_def: GraphDef) -> None:
    graph_def.library.function.add()
    refuse(graph_def, "calls functions of its own: freeze it with its functions inlined")


@pytest.mark.parametrize("many", [False, True])
def test_an_attribute_that_calls_a_function(graph_def: GraphDef, many: bool) -> None:
    attribute = graph_def.node[5].attr["body"]
    if many:
        attribute.list.func.add(name="f")
    else:
        attribute.func.name = "f"
    refuse(graph_def, "calls a function")


@pytest.mark.parametrize("layout", [b"", b"X", b"NCHW_VECT_C"])
def test_a_layout_that_tensorflow_would_abort_for(graph_def: GraphDef, layout: bytes) -> None:
    graph_def.node.add(name="pool", op="QuantizedMaxPool").attr["data_format"].s = layout
    refuse(graph_def, f"node pool has the layout {layout!r}: pass a graph in NHWC")


def test_an_input_that_is_not_there(graph_def: GraphDef) -> None:
    graph_def.node[-1].input[0] = "dense/nothing"
    refuse(
        graph_def,
        "node softmax_tensor reads 'dense/nothing', which is not there: the file is truncated; fetch it again",
    )


def test_a_loop(graph_def: GraphDef) -> None:
    graph = EditableGraph(graph_def)
    graph.nodes["conv1/pad"].input[0] = "stage5/block3/relu"
    refuse(graph.pruned("softmax_tensor"), "waits for its own result: pass a graph without loops")


def test_a_node_that_reads_itself_by_a_control_input(graph_def: GraphDef) -> None:
    graph_def.node[-1].input.append("^softmax_tensor")
    refuse(graph_def, "node softmax_tensor waits for its own result")


def test_a_long_chain_is_no_loop() -> None:
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.add(name="n0", op="Placeholder")
    for number in range(1, MAX_NODES):
        graph_def.node.add(name=f"n{number}", op="Identity", input=[f"n{number - 1}"])
    check_graph(graph_def, "x.pb")


@pytest.mark.parametrize("name", ["N", "num_split", "padding_list"])
def test_numbers_that_say_how_much_is_made_are_bounded(graph_def: GraphDef, name: str) -> None:
    """TensorFlow makes lists of that length before it compares them with anything."""
    node = graph_def.node.add(name="many", op="AddN")
    if name == "padding_list":
        node.attr[name].list.i.extend([0, 1 << 20])
    else:
        node.attr[name].i = 2**31 - 1
    refuse(graph_def, f"node many has '{name}' over 16384")


def test_lists_of_types_are_bounded(graph_def: GraphDef) -> None:
    graph_def.node.add(name="many", op="_FusedConv2D").attr["TArgs"].list.type.extend([1] * 20_000)
    refuse(graph_def, "node many has 'TArgs' over 16384")


def constant(graph_def: GraphDef, name: str = "weights") -> Any:
    node = graph_def.node.add(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.ones(4, np.float32)))
    node.attr["dtype"].type = 1
    return node.attr["value"].tensor


def set_shape(tensor: Any, *sizes: int) -> None:
    del tensor.tensor_shape.dim[:]
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)


@pytest.mark.parametrize("sizes", [(1 << 40,), (1 << 62, 1 << 62), (1 << 14, 1 << 15)])
def test_a_constant_that_declares_more_than_it_holds(graph_def: GraphDef, sizes: tuple[int, ...]) -> None:
    tensor = constant(graph_def)
    tensor.tensor_content = b""
    tensor.float_val.append(1.0)
    set_shape(tensor, *sizes)
    refuse(graph_def, r"with constant weights of shape \[.*\] the constants take over 1 GiB: pass another graph")


def test_constants_that_are_too_large_together(graph_def: GraphDef) -> None:
    for number in range(9):
        tensor = constant(graph_def, f"part{number}")
        tensor.tensor_content = b""
        tensor.float_val.append(1.0)
        set_shape(tensor, 1 << 25)  # 128 MiB
    refuse(graph_def, "with constant part7 of shape")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensor: set_shape(tensor, -1),
        lambda tensor: setattr(tensor, "dtype", 7),  # strings
        lambda tensor: setattr(tensor, "dtype", 20),  # resources
        lambda tensor: setattr(tensor, "dtype", 21),  # variants, which decode themselves
        lambda tensor: setattr(tensor, "dtype", 9999),
        lambda tensor: setattr(tensor, "dtype", 3),  # not what the node's attribute says
    ],
)
def test_a_constant_that_is_no_array_of_numbers(graph_def: GraphDef, spoil: Callable[[Any], None]) -> None:
    spoil(constant(graph_def))
    refuse(graph_def, "constant weights is no array of numbers")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda tensor: set_shape(tensor, 3),
        lambda tensor: set_shape(tensor, 5),
        lambda tensor: setattr(tensor, "tensor_content", b"123"),
    ],
)
def test_a_constant_whose_content_is_not_its_shape(graph_def: GraphDef, spoil: Callable[[Any], None]) -> None:
    spoil(constant(graph_def))
    refuse(graph_def, "the content of constant weights does not fill its shape: the file is damaged; fetch it again")


def test_host_constants_are_checked_as_well(graph_def: GraphDef) -> None:
    constant(graph_def).dtype = 21
    graph_def.node[-1].op = "HostConst"
    refuse(graph_def, "constant weights is no array of numbers")
