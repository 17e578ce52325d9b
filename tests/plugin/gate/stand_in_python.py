"""Stand-ins for an interpreter that runs the sampling worker: scripts that speak its protocol, without TensorFlow."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from resnet_fixtures.gate.fresh_process import Interpreter
from resnet_fixtures.gate.sample_order import SampleOrder
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.child import ChildOrder
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from pathlib import Path

PLAN = ThreadPlan(cpus=(4, 5), intra=2, inter=1, data_intra=2, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
PROLOGUE = """
import json, os, signal, sys, time
def read(): return sys.stdin.readline().strip()
def write(content): print(json.dumps(content), flush=True)
def complain(line): print(line, file=sys.stderr, flush=True)
def greet(warmup_s=(0.5, 0.05, 0.05), reference=None):
    write({"versions": {"python": "3.11.0"}, "reference": reference, "warmup_s": warmup_s})
def answer(steps, step_ns=50_000_000, reference_ns=()):
    write({"steps_ns": [step_ns] * steps, "reference_ns": list(reference_ns) * steps})
order = read()
"""


def make_order(folder: Path, **fields: object) -> SampleOrder:
    """Return an order for a graph that nobody reads."""
    return SampleOrder(ChildOrder(folder / "graph.pb", Precision.INT8, PLAN, 16), **fields)  # type: ignore[arg-type]


def write_script(path: Path, script: str) -> Path:
    """Write an executable file that runs a script, whatever its arguments."""
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(0o755)
    return path


def stand_in(folder: Path, script: str, name: str = "stand_in") -> Interpreter:
    """Return an interpreter that has read its order and goes on with the script."""
    return Interpreter(str(write_script(folder / name, PROLOGUE + script)), name=f"The {name}")
