"""Take the paddings out of EXPLICIT convolutions: quantized ones know no such padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from resnet_fixtures.graph.edit import INT32, attribute

if TYPE_CHECKING:
    from resnet_fixtures.graph.edit import EditableGraph


def unfold_paddings(graph: EditableGraph) -> None:
    """Make a Pad and VALID of EXPLICIT: what `fold_paddings` does, undone; results keep every bit."""
    for convolution in graph.of_type("Conv2D"):
        if attribute(convolution, "padding").s == b"EXPLICIT":
            amounts = np.array(attribute(convolution, "explicit_paddings").list.i, np.int32).reshape(4, 2)
            inputs = [convolution.input[0], graph.add_constant(f"{convolution.name}/paddings", amounts)]
            pad = graph.add(f"{convolution.name}/pad", "Pad", inputs, Tpaddings=INT32)
            pad.attr["T"].CopyFrom(attribute(convolution, "T"))
            convolution.input[0] = pad.name
            convolution.attr["padding"].s = b"VALID"
            del convolution.attr["explicit_paddings"]
