from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.inference.optimizer import limit_optimizer
from tests.plugin.lazy_tensorflow import tf

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT, OFF, AGGRESSIVE = 0, 2, 3  # of RewriterConfig.Toggle


@pytest.mark.parametrize(
    ("op", "reads", "is_left_out"),
    [
        ("QuantizedConv2DWithBiasAndRequantize", ("images", "filter"), True),
        ("Conv2D", ("images", "filter"), False),
        ("Bitcast", ("filter",), False),
    ],
    ids=["all is fused", "fusible", "foldable"],
)
def test_the_optimizer_is_left_out_where_it_finds_nothing(op: str, reads: Sequence[str], is_left_out: bool) -> None:
    assert limited(op, reads).disable_meta_optimizer is is_left_out


@pytest.mark.parametrize(
    ("op", "reads", "toggle"),
    [
        ("Conv2D", ("images", "filter"), OFF),
        ("Transpose", ("images", "filter"), DEFAULT),
        ("Cast", ("filter",), DEFAULT),
    ],
    ids=["plain", "another operation", "foldable"],
)
def test_of_a_plain_graph_the_remapper_alone_is_left(op: str, reads: Sequence[str], toggle: int) -> None:
    rewrites = limited(op, reads)
    assert rewrites.remapping == AGGRESSIVE
    assert (rewrites.arithmetic_optimization, rewrites.constant_folding, rewrites.layout_optimizer) == (toggle,) * 3


def limited(op: str, reads: Sequence[str]) -> tf.compat.v1.RewriterConfig:
    """Ask for a graph of a placeholder, a constant, and an operation on them."""
    graph_def = tf.compat.v1.GraphDef()
    for name, kind, inputs in (("images", "Placeholder", ()), ("filter", "Const", ()), ("conv1", op, reads)):
        graph_def.node.add(name=name, op=kind, input=inputs)
    rewrites = tf.compat.v1.ConfigProto().graph_options.rewrite_options
    rewrites.remapping = AGGRESSIVE
    limit_optimizer(rewrites, graph_def)
    return rewrites
