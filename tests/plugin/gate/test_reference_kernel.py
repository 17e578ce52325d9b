from __future__ import annotations

import json

import pytest

from resnet_fixtures.gate.reference_kernel import (
    MOST_IMAGES,
    identify_library,
    make_reference_kernel,
    reference_facts,
)
from resnet_fixtures.precision import Precision


def test_kernel_runs() -> None:
    kernel = make_reference_kernel(1, 1, Precision.INT8)
    kernel()
    kernel()


@pytest.mark.parametrize("precision", list(Precision))
def test_facts_tell_kernels_apart(precision: Precision) -> None:
    facts = reference_facts(2, 16, precision)
    assert json.loads(json.dumps(facts)) == facts == reference_facts(2, 16, precision)
    assert facts != reference_facts(1, 16, precision)
    assert facts != reference_facts(2, 8, precision)
    assert reference_facts(2, MOST_IMAGES, precision) == {**facts, "images": MOST_IMAGES}
    assert reference_facts(2, 4 * MOST_IMAGES, precision)["images"] == MOST_IMAGES


def test_library_is_named_with_its_version_and_content() -> None:
    from importlib.metadata import version

    name, found, digest = identify_library().split()
    assert name.startswith("tensorflow")
    assert found == version(name)
    assert len(digest) == 16
