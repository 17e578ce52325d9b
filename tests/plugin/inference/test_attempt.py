from __future__ import annotations

import os
import subprocess
import sys

import pytest

from resnet_fixtures.hardware.isa import read_isa
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.attempt import why_it_fails
from resnet_fixtures.precision import Precision

PLAN = ThreadPlan((0,), intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
ASK = (
    "from tests.plugin.inference.test_attempt import PLAN; from resnet_fixtures.precision import Precision; "
    "from resnet_fixtures.inference.attempt import why_it_fails; "
    "print([(str(p), bool(why_it_fails(p, PLAN))) for p in Precision])"
)


def test_fp32_runs_everywhere() -> None:
    assert why_it_fails(Precision.FP32, PLAN) is None


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.BF16])
def test_what_the_cpu_does_natively_runs(precision: Precision) -> None:
    if not read_isa().is_native(precision):
        pytest.skip(f"this CPU has no instructions for {precision}")
    assert why_it_fails(precision, PLAN) is None


@pytest.mark.skipif("avx512f" not in read_isa().flags, reason="caps an AVX-512 CPU")
@pytest.mark.usefixtures("warm_children")
def test_capped_cpu_emulates_int8_and_refuses_bf16() -> None:
    """The network itself does the same under this cap."""
    environ = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2"}
    run = subprocess.run([sys.executable, "-c", ASK], env=environ, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "[('int8', False), ('fp32', False), ('bf16', True)]"
