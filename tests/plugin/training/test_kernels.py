from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import RunError
from resnet_fixtures.hardware.isa import Isa, read_isa
from resnet_fixtures.hardware.thread_plan import make_thread_plan
from resnet_fixtures.hardware.topology import read_topology
from resnet_fixtures.inference.onednn_verbose import Kernel
from resnet_fixtures.precision import Precision
from resnet_fixtures.training import kernels
from resnet_fixtures.training.kernels import PASSES, TrainingKernels, executed_kernels

if TYPE_CHECKING:
    from pathlib import Path

BF16 = Kernel("convolution", "brg_conv_fwd:avx512_core_bf16", "bf16")
FP32 = Kernel("convolution", "brg_conv_fwd:avx512_core", "f32")


def read_machine() -> Isa:
    return read_isa(environ={})


@pytest.mark.parametrize(
    ("precision", "found", "is_proven"),
    [
        (Precision.BF16, ((BF16, PASSES),), True),
        (Precision.BF16, ((BF16, PASSES - 1),), False),
        (Precision.BF16, ((BF16, PASSES), (FP32, 1)), False),
        (Precision.BF16, ((FP32, PASSES),), False),
        (Precision.FP32, ((FP32, 1),), True),
        (Precision.FP32, ((FP32, PASSES), (BF16, 1)), False),
        (Precision.FP32, (), False),
    ],
)
def test_a_precision_is_proven_by_every_pass(
    precision: Precision, found: tuple[tuple[Kernel, int], ...], is_proven: bool
) -> None:
    proof = TrainingKernels(precision, read_machine(), found)
    assert proof.is_precision_proven == is_proven
    assert ("is not what ran" in proof.sentence) != is_proven


def test_the_sentence_counts_what_ran() -> None:
    proof = TrainingKernels(Precision.BF16, read_machine(), ((BF16, 158), (FP32, 2)))
    assert proof.sentence.endswith(
        "oneDNN ran 158 in bf16 (158 brg_conv_fwd:avx512_core_bf16) and 2 in fp32 (2 brg_conv_fwd:avx512_core)."
    )
    assert proof.as_dict()["implementations"] == {BF16.implementation: 158, FP32.implementation: 2}


def test_a_process_that_dies_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "child_command", lambda module: ["sh", "-c", "echo out of luck >&2; exit 3"])
    plan = make_thread_plan(read_topology())
    with pytest.raises(RunError, match=r"^The process that looks for kernels ended with exit status 3; .*out of luck"):
        executed_kernels(Precision.FP32, plan, read_machine(), {}, tmp_path)
    assert not list(tmp_path.glob("*.json"))
