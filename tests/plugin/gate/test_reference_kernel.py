from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.gate.reference_kernel import (
    ReferenceKernel,
    count_images,
    digest_structure,
    identify_library,
    reference_facts,
)
from resnet_fixtures.graph.frozen import FrozenGraph, load_frozen_graph
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def graph(fp32_file: Path) -> FrozenGraph:
    return load_frozen_graph(fp32_file, Precision.FP32)


def test_kernel_runs(graph: FrozenGraph) -> None:
    kernel = ReferenceKernel(graph, 1, 1)
    kernel()
    kernel()


def test_facts_tell_kernels_apart(graph: FrozenGraph) -> None:
    facts = reference_facts(graph, 2, 16)
    assert json.loads(json.dumps(facts)) == facts == reference_facts(graph, 2, 16)
    assert facts != reference_facts(graph, 1, 16)
    assert facts != reference_facts(graph, 2, 32)
    assert facts != reference_facts(replace(graph, precision=Precision.BF16), 2, 16)


@pytest.mark.parametrize(("batch_size", "images"), [(1, 1), (4, 1), (16, 4), (128, 32), (1024, 32)])
def test_kernel_takes_a_quarter_of_the_images(batch_size: int, images: int) -> None:
    assert count_images(batch_size) == images


def test_structure_is_that_of_operations_and_shapes(graph: FrozenGraph) -> None:
    other = type(graph.graph_def)()
    other.CopyFrom(graph.graph_def)
    weights = max((node for node in other.node if node.op == "Const"), key=lambda node: node.ByteSize())
    weights.attr["value"].tensor.tensor_content = bytes(len(weights.attr["value"].tensor.tensor_content))
    assert digest_structure(other) == digest_structure(graph.graph_def)  # other weights
    weights.attr["value"].tensor.tensor_shape.dim[0].size += 1
    assert digest_structure(other) != digest_structure(graph.graph_def)
    other.CopyFrom(graph.graph_def)
    convolution = next(node for node in other.node if node.op == "Conv2D")
    convolution.attr["strides"].list.i[1] += 1
    assert digest_structure(other) != digest_structure(graph.graph_def)


def test_library_is_named_with_its_version_and_content() -> None:
    from importlib.metadata import version

    name, found, digest = identify_library().split()
    assert name.startswith("tensorflow")
    assert found == version(name)
    assert len(digest) == 16
