from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.graph import embedded
from resnet_fixtures.graph.embedded import convert, embedded_graph_file
from resnet_fixtures.graph.freeze import OUTPUT_NAME
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.graph.interface import find_precision
from resnet_fixtures.graph.parse import parse_graph
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path

    import tensorflow as tf


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the embedded graphs be small, and their cache empty."""
    monkeypatch.setattr(embedded, "Architecture", lambda: Architecture(4, 11, 32))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.BF16])
def test_a_graph_is_announced_built_and_kept(precision: Precision, tmp_path: Path) -> None:
    sentences: list[str] = []
    path = embedded_graph_file(precision, sentences.append)
    assert sentences == [f"building the embedded {precision} graph, once (a few seconds) …"]
    assert path.parent == tmp_path / "resnet_fixtures"
    assert path.name.startswith(f"resnet50v1_5_{precision}-")
    assert embedded_graph_file(precision, sentences.append) == path
    assert len(sentences) == 1
    assert load_frozen_graph(path, precision).classes == 11


def test_int8_says_that_it_takes_longer(
    small: None, monkeypatch: pytest.MonkeyPatch, fp32_graph: tf.compat.v1.GraphDef
) -> None:
    monkeypatch.setattr(embedded, "convert", lambda *_: fp32_graph)
    sentences: list[str] = []
    embedded_graph_file(Precision.INT8, sentences.append)
    assert sentences == ["building the embedded int8 graph, once (about 30 s) …"]


def test_conversion_gives_what_was_asked(fp32_graph: tf.compat.v1.GraphDef) -> None:
    assert convert(fp32_graph, Precision.FP32, ()) is fp32_graph
    converted = convert(fp32_graph, Precision.BF16, ())
    assert find_precision(converted) is Precision.BF16
    assert converted.node[-1].name == OUTPUT_NAME or any(node.name == OUTPUT_NAME for node in converted.node)


@pytest.mark.parametrize("precision", list(Precision))
def test_the_real_ones(precision: Precision) -> None:
    """Built on a fresh machine within 60 s for all three, else taken from the user's cache."""
    path = embedded_graph_file(precision, print)
    graph = load_frozen_graph(path, precision)
    assert (graph.image_size, graph.classes) == (224, 1001)
    assert (graph.input_name, graph.output_name) == ("input_tensor", "softmax_tensor")
    convolutions = [node for node in graph.graph_def.node if "Conv2D" in node.op]
    assert len(convolutions) == 53
    assert find_precision(parse_graph(path.read_bytes(), str(path))) is precision
