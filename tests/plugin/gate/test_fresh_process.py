"""A fresh process's end of the line, against scripted interpreters; and one real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.errors import InputError, RunError
from resnet_fixtures.gate.fresh_process import FreshProcess, Interpreter, draw_sample
from resnet_fixtures.gate.sample_order import SampleBudget, SampleOrder
from resnet_fixtures.gate.samples import ProcessSample
from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.child import ChildOrder
from resnet_fixtures.precision import Precision
from tests.plugin.gate.stand_in_python import make_order, stand_in
from tests.plugin.training.processes import expect_death

if TYPE_CHECKING:
    from collections.abc import Callable

CPU = min(os.sched_getaffinity(0))
ONE_CORE = ThreadPlan((CPU,), intra=1, inter=1, data_intra=1, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
# Starts a worker that waits for its order, says its id, and dies without a goodbye.
PARENT = """
import os, time
from pathlib import Path
from resnet_fixtures.gate.fresh_process import FreshProcess
from tests.plugin.gate.stand_in_python import make_order
process = FreshProcess(make_order(Path()))
time.sleep(1)
print(process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def draw(tmp_path: Path) -> Callable[..., ProcessSample]:
    """Take a sample of a script."""

    def draw_from(script: str, patience_s: float = 10.0) -> ProcessSample:
        return draw_sample(make_order(tmp_path), os.environ, stand_in(tmp_path, script), patience_s)

    return draw_from


def test_sample_has_the_warm_ups_the_steps_and_their_references(draw: Callable[..., ProcessSample]) -> None:
    sample = draw("greet((9.0, 0.5, 0.5)); answer(int(read()), 500_000_000, [250_000_000])")
    steps = SampleBudget().plan_steps((9.0, 0.5, 0.5))
    assert sample == ProcessSample((0.5,) * steps, (9.0, 0.5, 0.5), (0.25,) * steps)


def test_process_gets_the_order_and_the_users_environment(tmp_path: Path) -> None:
    script = "write({'versions': {**os.environ, 'order': order}, 'reference': None, 'warmup_s': [1]})"
    with FreshProcess(make_order(tmp_path), {"MINE": "7"}, stand_in(tmp_path, script)) as process:
        told = process.prepare().versions
    assert SampleOrder.from_json(told["order"]) == make_order(tmp_path)
    assert (told["MINE"], told["OMP_NUM_THREADS"]) == ("7", "2")
    assert (Path(told["PYTHONPATH"]) / "resnet_fixtures").is_dir()


def test_another_interpreter_sees_none_of_this_ones_packages(tmp_path: Path) -> None:
    script = "write({'versions': {**os.environ, 'cwd': os.getcwd()}, 'reference': None, 'warmup_s': [1]})"
    packages = tmp_path / "packages"
    packages.mkdir()
    python = stand_in(tmp_path, script).python
    environ = {"PYTHONPATH": "/mine", "PYTHONHOME": sys.prefix, "HOME": "/home/me"}
    with FreshProcess(make_order(tmp_path), environ, Interpreter(python, packages)) as process:
        told = process.prepare().versions
    assert told["PYTHONPATH"] == told["cwd"] == str(packages)
    assert "PYTHONHOME" not in told
    assert told["HOME"] == "/home/me"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("raise ValueError('broken')", r"ended with exit status 1; its last words: .* \| ValueError: broken$"),
        ("os.kill(os.getpid(), signal.SIGILL)", "was killed by SIGILL; its last words: none$"),
        ("greet(); read(); complain('bad_alloc'); sys.exit(3)", "ended with exit status 3; its last words: bad_alloc$"),
        ("greet(); sys.exit(5)", "ended with exit status 5"),
        ("sys.stdout.write('{'); sys.exit(0)", "ended with exit status 0; its last words: none$"),
        ("print('hello from sitecustomize'); greet()", r"wrote b'hello from sitecustomize\\n' instead of an answer\.$"),
    ],
)
def test_process_that_dies_or_babbles_is_named(draw: Callable[..., ProcessSample], script: str, sentence: str) -> None:
    with pytest.raises(RunError, match=f"^The stand_in {sentence}"):
        draw(script)


def test_refused_order_is_the_users_to_cure(draw: Callable[..., ProcessSample]) -> None:
    with pytest.raises(InputError, match=r"^The stand_in: x\.pb is no file: pass another\.$"):
        draw("complain('chatter'); complain('x.pb is no file: pass another.'); sys.exit(4)")


def test_silent_process_does_not_hang_its_parent(draw: Callable[..., ProcessSample]) -> None:
    with pytest.raises(RunError, match=r"^The stand_in has not answered for 0\.5 s: it hangs"):
        draw("time.sleep(60)", patience_s=0.5)


def test_process_that_closes_its_output_and_lives_on_is_a_run_error(
    draw: Callable[..., ProcessSample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resnet_fixtures.inference.piped_child.EXIT_TIME_S", 0.2)
    with pytest.raises(RunError, match=r"^The stand_in has closed its output, but it has not ended\.$"):
        draw("os.close(1); time.sleep(60)")


def test_interpreter_that_has_gone_is_a_run_error(tmp_path: Path) -> None:
    gone = Interpreter(str(tmp_path / "python"), name="The process of /gone")
    with pytest.raises(RunError, match=r"^The process of /gone cannot be started \(No such file or directory\)\.$"):
        draw_sample(make_order(tmp_path), os.environ, gone)


def test_process_ends_with_the_block(tmp_path: Path) -> None:
    with FreshProcess(make_order(tmp_path), os.environ, stand_in(tmp_path, "time.sleep(60)")) as process:
        pid = process.pid
    expect_death({pid})


def test_process_dies_with_its_parent() -> None:
    parent = subprocess.run(
        [sys.executable, "-c", PARENT],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert parent.returncode == -9, parent.stderr
    expect_death({int(parent.stdout)})


def test_real_process_times_steps_beside_references(fp32_file: Path) -> None:
    child = ChildOrder(fp32_file, Precision.FP32, ONE_CORE, 2)
    order = SampleOrder(child, SampleBudget(warmup_steps=2, steps=4), fp32_file)
    with FreshProcess(order, {**os.environ, "ONEDNN_VERBOSE": "1"}) as process:  # noise on standard output
        greeting = process.prepare()
        process_cpus = os.sched_getaffinity(process.pid)
        cpu_before_s = time.process_time()
        sample = process.run(4)
        slowed = process.run(4, 9.0)
        own_share_s = time.process_time() - cpu_before_s
    assert process_cpus == {CPU}
    assert own_share_s < 0.5 * sum(sample.steps_s) + 0.05  # the parent sleeps
    assert len(greeting.warmup_s) == 2
    assert greeting.versions.keys() == {"python", "tensorflow", "numpy"}
    assert json.dumps(greeting.reference)
    assert greeting.reference is not None
    assert greeting.reference["threads"] == 1
    assert len(sample.steps_s) == len(sample.reference_s) == 4
    assert min(slowed.steps_s) > 2 * min(sample.steps_s)  # ten times as long


def test_graph_that_cannot_be_read_is_told_by_its_sentence(tmp_path: Path) -> None:
    child = ChildOrder(tmp_path / "none.pb", Precision.FP32, ONE_CORE, 1)
    with pytest.raises(InputError, match=r"^The sampling process: --in-graph .*none\.pb cannot be read"):
        draw_sample(SampleOrder(child))
