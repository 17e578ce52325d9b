from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.hardware.isa import Isa, read_isa
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.kernels import TOGETHER, KernelProof, executed_kernels, run_with_verbose
from resnet_fixtures.inference.onednn_verbose import Kernel
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path

CPUS = tuple(sorted(os.sched_getaffinity(0)))
PLAN = ThreadPlan(CPUS, intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
EPYC = Isa("avx512_vnni_bf16", frozenset({"avx512f", "avx512_vnni", "avx512_bf16"}), "AMD EPYC")
AVX2 = Isa("avx2", frozenset({"avx2"}), "AMD EPYC")
NEEDS_AVX512 = pytest.mark.skipif("avx512f" not in read_isa(environ={}).flags, reason="needs AVX-512 to cap it")

BRGCONV_INT8 = Kernel("convolution", "brgconv_1x1:avx512_core_vnni", "u8")
FIRST_INT8 = Kernel("convolution", "brg_conv_fwd:avx512_core_vnni", "s8")
DENSE_INT8 = Kernel("inner_product", "brgemm:avx512_core_vnni", "u8")
BRGCONV_FP32 = Kernel("convolution", "brgconv_1x1:avx512_core", "f32")
DENSE_FP32 = Kernel("inner_product", "brgemm:avx512_core", "f32")


def prove(precision: Precision, *kernels: tuple[Kernel, int], isa: Isa = EPYC) -> KernelProof:
    return KernelProof(precision, isa, 53, kernels)


def test_native_int8_is_proven_by_all_its_convolutions() -> None:
    proof = prove(Precision.INT8, (BRGCONV_INT8, 36), (FIRST_INT8, 17), (DENSE_INT8, 1))
    assert proof.is_precision_proven
    assert proof.is_native
    assert proof.implementations == {
        "brgconv_1x1:avx512_core_vnni": 36,
        "brg_conv_fwd:avx512_core_vnni": 17,
        "brgemm:avx512_core_vnni": 1,
    }
    assert proof.sentence == (
        "int8 is native on AMD EPYC (avx512_vnni_bf16): of the graph's 53 convolutions oneDNN ran 53 in int8 "
        "(36 brgconv_1x1:avx512_core_vnni, 17 brg_conv_fwd:avx512_core_vnni)."
    )


def test_types_of_one_implementation_are_added_up() -> None:
    signed = BRGCONV_INT8._replace(source_type="s8")
    proof = prove(Precision.INT8, (BRGCONV_INT8, 50), (signed, 3))
    assert proof.implementations == {"brgconv_1x1:avx512_core_vnni": 53}
    assert "53 in int8 (53 brgconv_1x1:avx512_core_vnni)" in proof.sentence


def test_bf16_may_keep_its_dense_layer_in_fp32() -> None:
    convolution = Kernel("convolution", "brgconv_1x1:avx512_core_bf16", "bf16")
    assert prove(Precision.BF16, (convolution, 53), (DENSE_FP32, 1)).is_native


def test_int8_without_vnni_is_emulated() -> None:
    proof = prove(Precision.INT8, (Kernel("convolution", "jit_uni_int8_1x1:avx2", "u8"), 53), isa=AVX2)
    assert proof.is_precision_proven
    assert not proof.is_native
    assert proof.sentence == (
        "int8 is emulated on AMD EPYC (avx2): of the graph's 53 convolutions oneDNN ran 53 in int8 "
        "(53 jit_uni_int8_1x1:avx2)."
    )


def test_one_emulated_convolution_is_enough() -> None:
    reference = Kernel("convolution", "ref_int8:any", "u8")
    assert not prove(Precision.INT8, (BRGCONV_INT8, 52), (reference, 1)).is_native


def test_convolution_that_fell_back_to_fp32_is_seen() -> None:
    proof = prove(Precision.INT8, (BRGCONV_INT8, 52), (BRGCONV_FP32, 1))
    assert not proof.is_precision_proven
    assert not proof.is_native
    assert proof.sentence.startswith("int8 is not what ran on ")
    assert "52 in int8 (52 brgconv_1x1:avx512_core_vnni) and 1 in fp32 (1 brgconv_1x1:avx512_core)." in proof.sentence


def test_type_that_the_suite_does_not_know_is_named() -> None:
    half = Kernel("convolution", "brgconv:avx512_core_fp16", "f16")
    assert "oneDNN ran 53 in f16 (53 brgconv:avx512_core_fp16)." in prove(Precision.FP32, (half, 53)).sentence


def test_fp32_that_was_rounded_for_amx_is_no_fp32() -> None:
    rounded = Kernel("convolution", "brgconv_1x1:avx10_1_512_amx", "f32")
    proof = prove(Precision.FP32, (rounded, 53))
    assert not proof.is_precision_proven
    assert "53 in bf16" in proof.sentence


def test_kernels_of_tensorflows_own_are_fp32() -> None:
    proof = prove(Precision.FP32)
    assert proof.is_precision_proven
    assert proof.is_native
    assert proof.sentence.startswith("fp32 is native on ")
    assert proof.sentence.endswith("convolutions oneDNN ran none; TensorFlow ran 53 in kernels of its own.")


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.BF16])
def test_kernels_of_tensorflows_own_prove_nothing_else(precision: Precision) -> None:
    proof = prove(precision)
    assert not proof.is_precision_proven
    assert not proof.is_native
    assert proof.sentence.startswith(f"{precision} is not what ran on ")


def test_graph_without_convolutions_proves_nothing() -> None:
    assert not KernelProof(Precision.FP32, EPYC, 0, ()).is_precision_proven


def test_proof_is_stored_as_json() -> None:
    stored = prove(Precision.INT8, (BRGCONV_INT8, 53)).as_dict()
    assert json.loads(json.dumps(stored)) == stored
    assert stored["is_native"] is True


def test_tiny_graph_runs_once_and_is_remembered(tiny_graph: Path, tmp_path: Path) -> None:
    environ = dict(os.environ)
    proof = executed_kernels(tiny_graph, Precision.FP32, 2, PLAN, environ, tmp_path)
    assert proof.graph_convolutions == 53
    assert sum(proof.implementations.values()) == 54  # one step alone, with its dense layer
    assert proof.is_native

    (answer,) = tmp_path.glob("kernels_*.json")
    answer.write_bytes(answer.read_bytes()[:-3])
    assert executed_kernels(tiny_graph, Precision.FP32, 2, PLAN, environ, tmp_path) == proof  # looked for again

    environ["PYTHONHOME"] = "/nonexistent"  # no Python starts with it
    assert executed_kernels(tiny_graph, Precision.FP32, 2, PLAN, environ, tmp_path) == proof
    with pytest.raises(RuntimeError, match=r"^The process that looks for kernels ended with exit status 1; its last"):
        executed_kernels(tiny_graph, Precision.FP32, 3, PLAN, environ, tmp_path)
    chatty = {**environ, "TF_CPP_VMODULE": "x=1"}
    assert executed_kernels(tiny_graph, Precision.FP32, 2, PLAN, chatty, tmp_path) == proof
    environ["ONEDNN_DEFAULT_FPMATH_MODE"] = "BF16"
    with pytest.raises(RuntimeError, match="ended with exit status 1"):
        executed_kernels(tiny_graph, Precision.FP32, 2, PLAN, environ, tmp_path)


@pytest.mark.usefixtures("warm_children")
def test_one_process_looks_at_the_usual_batch_sizes_each_by_itself(tiny_graph: Path, tmp_path: Path) -> None:
    for batch_size in TOGETHER:
        proof = executed_kernels(tiny_graph, Precision.FP32, batch_size, PLAN, dict(os.environ), tmp_path)
        assert proof.graph_convolutions == 53
        assert sum(proof.implementations.values()) == 54  # one step alone, with its dense layer
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_fp32_without_onednn_is_still_fp32(tiny_graph: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    proof = executed_kernels(tiny_graph, Precision.FP32, 1, PLAN, environ, tmp_path)
    assert proof.is_precision_proven
    assert "oneDNN ran none; TensorFlow ran 53 in kernels of its own" in proof.sentence


@NEEDS_AVX512
@pytest.mark.usefixtures("warm_children")
def test_cap_turns_native_bf16_into_emulated(tiny_bf16_graph: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
    proof = executed_kernels(tiny_bf16_graph, Precision.BF16, 1, PLAN, environ, tmp_path)
    assert proof.is_precision_proven
    assert not proof.is_native
    assert proof.sentence.startswith("bf16 is emulated on ")


@NEEDS_AVX512
@pytest.mark.usefixtures("warm_children")
def test_bf16_that_cannot_run_is_an_input_error_and_not_cached(tiny_bf16_graph: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    with pytest.raises(InputError, match=r"bf16\.pb does not run on TensorFlow"):
        executed_kernels(tiny_bf16_graph, Precision.BF16, 1, PLAN, environ, tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_a_process_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resnet_fixtures.inference.kernels.TIMEOUT_S", 0.1)
    with pytest.raises(RunError, match=r"^The process that looks for kernels was not done after 0\.1 s\.$"):
        run_with_verbose([sys.executable, "-c", "import time; time.sleep(60)"], "", os.environ)
