"""The graphs that the suite uses where the user gives none: full-size ResNet-50 v1.5 with seeded weights.

Speed does not depend on the weights' values. Each is built once and cached; all three take about 40 s on 2 cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from resnet_fixtures.data.dummy import dummy_images
from resnet_fixtures.graph.bfloat16 import convert_to_bfloat16
from resnet_fixtures.graph.cache import cache_folder, cached_file
from resnet_fixtures.graph.freeze import INPUT_NAME, OUTPUT_NAME, freeze
from resnet_fixtures.graph.frozen import transform_for_inference
from resnet_fixtures.graph.quantize import quantize
from resnet_fixtures.graph.resnet50 import Architecture
from resnet_fixtures.graph.weights import random_weights
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import tensorflow as tf

    from resnet_fixtures.graph.quantize import CalibrationBatches

WEIGHTS_SEED = 0
CALIBRATION_IMAGES = 8  # random images have one distribution: more of them change no range that matters


def embedded_graph_file(precision: Precision, announce: Callable[[str], object]) -> Path:
    """Return the file of the embedded graph in `precision`; `announce` is told before a build starts."""
    architecture = Architecture()

    def build() -> bytes:
        duration = "about 30 s" if precision is Precision.INT8 else "a few seconds"
        announce(f"building the embedded {precision} graph, once ({duration}) …")
        calibration = (dummy_images(CALIBRATION_IMAGES, architecture.image_size),)
        graph_def = convert(freeze(architecture, random_weights(WEIGHTS_SEED)), precision, calibration)
        return bytes(graph_def.SerializeToString(deterministic=True))

    key = {**architecture.as_dict(), "seed": WEIGHTS_SEED, "precision": precision, "calibration": CALIBRATION_IMAGES}
    return cached_file(cache_folder(), f"resnet50v1_5_{precision}.pb", key, build)


def convert(
    graph_def: tf.compat.v1.GraphDef, precision: Precision, calibration: CalibrationBatches
) -> tf.compat.v1.GraphDef:
    """Return our own fp32 graph in `precision`; only int8 looks at the calibration images."""
    if precision is Precision.FP32:
        return graph_def
    if precision is Precision.INT8:
        return quantize(graph_def, INPUT_NAME, OUTPUT_NAME, calibration)
    folded, _ = transform_for_inference(graph_def, OUTPUT_NAME)
    return convert_to_bfloat16(folded, OUTPUT_NAME)
