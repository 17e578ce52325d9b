from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph import parse
from resnet_fixtures.graph.parse import MAX_FILE_BYTES, has_more_fields, parse_graph, read_graph_file
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from pathlib import Path


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--in-graph .*absent.pb cannot be read \(No such file.*\): pass a frozen"):
        read_graph_file(tmp_path / "absent.pb")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--in-graph .* is no file: pass a frozen GraphDef \(\.pb\)\."):
        read_graph_file(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is no file"):
        read_graph_file(tmp_path / "pipe")


def test_a_file_of_terabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.pb"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="has 536870913 bytes, over 512 MiB: pass a frozen GraphDef"):
        read_graph_file(path)


def test_content_comes_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "graph.pb").write_bytes(b"\x00\xff")
    assert read_graph_file(tmp_path / "graph.pb") == b"\x00\xff"


def test_a_graph_is_parsed(fp32_graph: tf.compat.v1.GraphDef) -> None:
    assert parse_graph(fp32_graph.SerializeToString(), "x.pb") == fp32_graph


NOT_A_GRAPH = {
    "text": b"node { name: 'input_tensor' }\n",
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "half a length": b"\x0a\xff\xff",
    "a length of 2**63": b"\x0a" + b"\xff" * 8 + b"\x7f",
    "an endless number": b"\xff" * 40,
}


@pytest.mark.parametrize("name", NOT_A_GRAPH)
def test_what_is_no_graph(name: str) -> None:
    with pytest.raises(InputError, match=r"x\.pb is no frozen GraphDef, or is truncated: fetch it again"):
        parse_graph(NOT_A_GRAPH[name], "x.pb")


def test_millions_of_empty_nodes_are_refused_before_they_take_memory() -> None:
    """Two bytes each in the file, a hundred in memory."""
    with pytest.raises(InputError, match=r"x\.pb has more than 1000000 fields, a hundred times a ResNet-50's"):
        parse_graph(b"\x0a\x00" * 1_000_001, "x.pb")


def test_millions_of_fields_deep_inside_are_seen() -> None:
    graph_def = tf.compat.v1.GraphDef()
    shape = graph_def.node.add(name="a").attr["shape"].shape
    for _ in range(1000):
        shape.dim.add(size=1)
    content = graph_def.SerializeToString()
    fields = 1 + 2 + 2 + 1 + 1000 * 2  # node; name, attribute; its key and value; the shape; dimensions and sizes
    assert has_more_fields(content, tf.compat.v1.GraphDef.DESCRIPTOR, fields - 1)
    assert not has_more_fields(content, tf.compat.v1.GraphDef.DESCRIPTOR, fields)


def test_packed_numbers_count_by_their_size() -> None:
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.add().attr["a"].list.i.extend([0] * 6400)
    content = graph_def.SerializeToString()
    fields = 1 + 1 + 2 + 1 + 1 + 6400 // 64  # node; attribute; its key and value; the list; its numbers, and these
    assert has_more_fields(content, tf.compat.v1.GraphDef.DESCRIPTOR, fields - 1)
    assert not has_more_fields(content, tf.compat.v1.GraphDef.DESCRIPTOR, fields)


def test_nesting_takes_no_stack() -> None:
    content = b""
    for _ in range(5000):  # attr { value { func { attr { … } } } }
        for field in (b"\x12", b"\x52", b"\x12"):
            content = field + _varint(len(content)) + content
    node = b"\x2a" + _varint(len(content)) + content
    with pytest.raises(InputError, match="is no frozen GraphDef"):
        parse_graph(b"\x0a" + _varint(len(node)) + node, "x.pb")


def test_weights_count_as_one_field(fp32_graph: tf.compat.v1.GraphDef) -> None:
    content = fp32_graph.SerializeToString()
    assert len(content) > 400_000
    assert not has_more_fields(content, tf.compat.v1.GraphDef.DESCRIPTOR, 12_000)
    assert parse.MAX_FIELDS > 100 * 9_000


def test_unknown_fields_of_every_wire_type_are_passed_over() -> None:
    fields = b"\xf8\x07\x96\x01" + b"\xf9\x07" + b"8bytes!!" + b"\xfa\x07\x03abc" + b"\xfd\x07four"
    assert not has_more_fields(fields, tf.compat.v1.GraphDef.DESCRIPTOR, 4)
    assert has_more_fields(fields, tf.compat.v1.GraphDef.DESCRIPTOR, 3)
    assert not parse_graph(fields, "x.pb").node


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 127:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
