"""Samples that are told instead of drawn: the shell of the gate without processes of its own."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest

from resnet_fixtures.gate.run_file import read_run, write_run
from resnet_fixtures.gate.samples import ProcessSample
from resnet_fixtures.graph.frozen import load_frozen_graph
from resnet_fixtures.hardware.isa import read_isa
from resnet_fixtures.inference.kernels import KernelProof
from resnet_fixtures.inference.onednn_verbose import Kernel
from tests.plugin.told_trainings import UNTIMED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from resnet_fixtures.gate.interleaved import Side
    from resnet_fixtures.gate.sample_order import SampleOrder
    from resnet_fixtures.gate.samples import Entry
    from tests.plugin.conftest import SuiteRunner

BASELINES: dict[tuple[object, ...], bytes] = {}  # by what was run
STEP_S = 0.010
WARMUP_S = (0.02, 0.015)
USER = """
import pytest

@pytest.mark.perf
def test_speed(timed_inference):
    assert timed_inference().images_per_s > 0
"""
SPEED = "test_user.py::test_speed[fp32-bs1]"  # USER's test where it is in test_user.py
OTHER = USER.replace("test_speed", "test_other")


load_once = cache(load_frozen_graph)


@dataclass
class ToldSamples:
    """What processes measure: STEP_S, `slower` times as long, with normal noise; and the orders that they were given.

    `scatter` is the noise of a process, a share of its step.
    """

    slower: float = 1.0
    scatter: float = 0.001
    implementation: str = "brgconv:avx512_core"
    orders: list[SampleOrder] = field(default_factory=list)
    pairs: list[tuple[Side, Side, bool]] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(4))

    def take(self, slower: float) -> ProcessSample:
        """Make one process of four steps up."""
        step_s = STEP_S * slower * (1 + self.rng.gauss(0, self.scatter))
        return ProcessSample(tuple(step_s * (1 + number / 1e6) for number in range(4)), WARMUP_S)

    def draw_sample(self, order: SampleOrder, environ: Mapping[str, str]) -> ProcessSample:
        """Stand for fresh_process.draw_sample."""
        self.orders.append(order)
        return self.take(self.slower)

    def draw_pair(
        self, other: Side, this: Side, environ: Mapping[str, str], *, is_this_first: bool
    ) -> tuple[ProcessSample, ProcessSample]:
        """Stand for interleaved.draw_pair: this side is the slower one."""
        self.pairs.append((other, this, is_this_first))
        return self.take(1.0), self.take(self.slower)

    def prove(self, graph_file: Path, precision: Any, *arguments: object) -> KernelProof:
        """Stand for kernels.executed_kernels, which takes a process too."""
        kernel = Kernel("convolution", self.implementation, {"int8": "u8", "bf16": "bf16"}.get(str(precision), "f32"))
        return KernelProof(precision, read_isa(), 53, ((kernel, 53),))


@dataclass
class ToldGate:
    """Runs pytest on the tiny fp32 graph with a baseline in base.json, batch size 1, and samples that are told."""

    run_suite: SuiteRunner
    folder: Path
    graph: Path
    samples: ToldSamples

    def __call__(self, *arguments: object, tests: Sequence[object] = ()) -> pytest.RunResult:
        given = (f"--in-graph=fp32={self.graph}", "-m", "fp32", "--batch-size=1", "--output-dir=out", *UNTIMED)
        baseline = ("--gate-baseline=base.json",) if {"--gate", "--gate-update"} & set(arguments) else ()
        return self.run_suite(*given, *baseline, *arguments, tests=tests)

    @property
    def baseline(self) -> Path:
        return self.folder / "base.json"

    def write_baseline(self, *arguments: str, tests: Sequence[object] = ()) -> None:
        """Run --gate-update, unless these tests' baseline is known from an earlier call; the data may lie elsewhere."""
        sources = tuple(sorted((str(path.relative_to(self.folder)), path.read_text()) for path in self._list_tests()))
        told = tuple(one for one in arguments if not one.startswith("--data-location"))
        key = (sources, told, *map(str, tests))
        if key not in BASELINES:
            result = self("--gate-update", *arguments, tests=tests)
            assert result.ret == pytest.ExitCode.OK
            BASELINES[key] = self.baseline.read_bytes()
        self.baseline.write_bytes(BASELINES[key])
        self.samples.rng.seed(5)  # the samples to come are the same whether it was known or not
        self.samples.orders.clear()

    def _list_tests(self) -> Iterable[Path]:
        return self.folder.rglob("test_*.py")

    def rewrite(self, change: Callable[[Entry], Entry]) -> None:
        """Change each entry of the baseline."""
        write_run(self.baseline, {test: change(entry) for test, entry in read_run(self.baseline).items()})

    def read_output(self) -> Path:
        """Return the file that the one run under --gate left."""
        (file,) = (self.folder / "out").glob("gate_*.json")
        return file


def tell_samples(
    monkeypatch: pytest.MonkeyPatch, run_suite: SuiteRunner, pytester: pytest.Pytester, graph: Path
) -> ToldGate:
    """Let made-up samples take the processes' place, and believe in the kernels."""
    told = ToldSamples()
    monkeypatch.setattr("resnet_fixtures.gate.fresh_process.draw_sample", told.draw_sample)
    monkeypatch.setattr("resnet_fixtures.gate.interleaved.draw_pair", told.draw_pair)
    monkeypatch.setattr("resnet_fixtures.inference.kernels.executed_kernels", told.prove)
    monkeypatch.setattr("resnet_fixtures.gate.reference_kernel.identify_library", lambda: "tensorflow")  # 0.1 s
    monkeypatch.setattr("resnet_fixtures.graph.store.load_frozen_graph", load_once)  # 0.2 s
    monkeypatch.setattr("resnet_fixtures.graph.store.embedded_graph_file", lambda *arguments: graph)  # 5 s
    return ToldGate(run_suite, pytester.path, graph, told)


def count_junit(path: Path) -> tuple[int, int, int]:
    """Return the numbers of tests, failures and errors in JUnit's file."""
    text = path.read_text()
    numbers = [re.search(rf'\b{name}="(\d+)"', text) for name in ("tests", "failures", "errors")]
    tests, failures, errors = (int(number[1]) for number in numbers if number)
    return tests, failures, errors


def summary_of(result: pytest.RunResult) -> list[str]:
    """Return the lines of the gate's section."""
    lines = result.outlines
    start = next(number for number, line in enumerate(lines) if "= gate (" in line)
    section = takewhile(lambda line: not line.startswith(("=", "-")), lines[start + 1 :])
    return [line for line in section if line]
