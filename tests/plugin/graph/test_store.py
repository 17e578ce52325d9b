from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError
from resnet_fixtures.graph.store import GraphStore
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path

    import tensorflow as tf

    from tests.plugin.graph.conftest import GraphWriter


def announce(sentence: str) -> None:
    pytest.fail(f"nothing is to be built here: {sentence}")


def test_a_given_graph_is_loaded_once(fp32_graph: tf.compat.v1.GraphDef, write: GraphWriter) -> None:
    path = write(fp32_graph)
    store = GraphStore({Precision.FP32: path}, announce)
    assert store.file(Precision.FP32) == path
    graph = store.graph(Precision.FP32)
    path.unlink()
    assert store.graph(Precision.FP32) is graph


def test_a_given_graph_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.pb cannot be read"):
        GraphStore({Precision.BF16: tmp_path / "absent.pb"}, announce).graph(Precision.BF16)


def test_embedded_graph_is_there_beside_a_given_one(
    fp32_graph: tf.compat.v1.GraphDef, write: GraphWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = tmp_path / "embedded.pb"
    embedded.write_bytes(fp32_graph.SerializeToString())
    monkeypatch.setattr("resnet_fixtures.graph.store.embedded_graph_file", lambda precision, announce: embedded)
    given = GraphStore({Precision.FP32: write(fp32_graph)}, announce)
    assert given.embedded_graph(Precision.FP32).origin == str(embedded) != given.graph(Precision.FP32).origin
    store = GraphStore({}, announce)
    assert store.graph(Precision.FP32) is store.embedded_graph(Precision.FP32)


def test_embedded_graph_that_was_damaged_is_built_again(
    fp32_graph: tf.compat.v1.GraphDef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded, content, said = tmp_path / "embedded.pb", fp32_graph.SerializeToString(), list[str]()

    def build(precision: Precision, announce: object) -> Path:
        if not embedded.exists():
            embedded.write_bytes(content)
        return embedded

    monkeypatch.setattr("resnet_fixtures.graph.store.embedded_graph_file", build)
    embedded.write_bytes(content[: len(content) // 2])
    assert GraphStore({}, said.append).graph(Precision.FP32).classes == 11
    assert said == [f"{embedded} is damaged, and is built again"]
