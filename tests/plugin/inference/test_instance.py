"""One instance's end of the line, against scripted children that need no TensorFlow."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from resnet_fixtures.hardware.thread_plan import ThreadPlan
from resnet_fixtures.inference.child import ChildOrder
from resnet_fixtures.inference.common_window import Steps
from resnet_fixtures.inference.instance import Instance, InstanceError
from resnet_fixtures.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

    StartInstance = Callable[[str], Instance]

PLAN = ThreadPlan(cpus=(4, 5), intra=2, inter=1, data_intra=2, data_inter=1, quota=None, sockets=(0,), nodes=(0,))
ORDER = ChildOrder(Path("graph.pb"), Precision.INT8, PLAN, 16)
PROLOGUE = """
import os, signal, sys, time
def read(): return sys.stdin.readline().strip()
def write(line): print(line, flush=True)
def complain(line): print(line, file=sys.stderr, flush=True)
order = read()
"""


@pytest.fixture
def start(request: pytest.FixtureRequest) -> StartInstance:
    """Start a child that reads its order and runs the script; it is closed at the end of the test."""

    def start_script(script: str) -> Instance:
        command = [sys.executable, "-c", PROLOGUE + script]
        instance = Instance("Instance 7", ORDER, os.environ, patience_s=5, command=command)
        request.addfinalizer(instance.close)
        instance.give_order()
        return instance

    return start_script


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_steps_are_waited_for_one_by_one_and_told_in_seconds(start: StartInstance) -> None:
    instance = start(
        "write('ready'); assert read() == 'go'; write(''); write(''); assert read() == 'halt'; write('')\n"
        "write('{\"starts_ns\": [1000000000, 2000000000, 3500000000], '\n"
        "      '\"ends_ns\": [1500000000, 3000000000, 4000000000]}')"
    )
    instance.wait_until_ready()
    instance.release()
    instance.wait_step()
    instance.request_halt()
    steps = instance.wait_halt()  # the two steps that nobody waited for are skipped
    assert steps == Steps((1.0, 2.0, 3.5), (1.5, 3.0, 4.0))
    assert steps.durations_s() == (0.5, 1.0, 0.5)


def test_child_gets_the_order(start: StartInstance) -> None:
    instance = start("complain(order); sys.exit(9)")
    with pytest.raises(InstanceError, match=r'"graph_file": "graph\.pb", "precision": "int8".*"batch_size": 16'):
        instance.wait_until_ready()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("complain('no such op'); sys.exit(4)", "ended with exit status 4; its last words: no such op$"),
        ("raise ValueError('broken')", r"ended with exit status 1; its last words: .* \| ValueError: broken$"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV; its last words: none$"),
        ("write('steady'); sys.exit(0)", "ended with exit status 0; its last words: none$"),
        ("sys.stdout.write('rea'); sys.exit(0)", "ended with exit status 0; its last words: none$"),
    ],
)
def test_death_before_the_first_step_is_named(start: StartInstance, script: str, sentence: str) -> None:
    with pytest.raises(InstanceError, match=f"^Instance 7 on CPUs 4-5 {sentence}"):
        start(script).wait_until_ready()


def test_words_from_before_it_was_ready_are_not_its_last(start: StartInstance) -> None:
    instance = start("complain('cuda is absent'); write('ready'); read(); complain('bad_alloc'); sys.exit(3)")
    instance.wait_until_ready()
    instance.release()
    with pytest.raises(InstanceError, match=r"exit status 3; its last words: bad_alloc$"):
        instance.wait_step()


def test_dead_child_is_met_when_it_is_sent_a_command(start: StartInstance) -> None:
    instance = start("write('ready'); sys.exit(5)")
    instance.wait_until_ready()
    os.waitid(os.P_PID, instance.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(InstanceError, match="exit status 5"):
        instance.release()


def test_silent_child_does_not_hang_its_parent() -> None:
    script = PROLOGUE + "write('ready'); read(); time.sleep(60)"
    with Instance("Instance 0", ORDER, os.environ, 2.0, [sys.executable, "-c", script]) as instance:
        instance.give_order()
        instance.wait_until_ready()
        instance.release()
        start_s = time.monotonic()
        with pytest.raises(InstanceError, match=r"^Instance 0 on CPUs 4-5 has not answered for 2 s"):
            instance.wait_step()
        assert 1.9 < time.monotonic() - start_s < 10


@pytest.mark.parametrize("script", ["time.sleep(60)", "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"])
def test_closing_ends_the_child_at_once(start: StartInstance, script: str) -> None:
    instance = start(script)
    assert is_alive(instance.pid)
    start_s = time.monotonic()
    instance.close()
    assert not is_alive(instance.pid)
    assert time.monotonic() - start_s < 5


def test_closing_a_stopped_child_ends_it_too(start: StartInstance) -> None:
    instance = start("time.sleep(60)")
    os.kill(instance.pid, signal.SIGSTOP)
    instance.close()
    assert not is_alive(instance.pid)
