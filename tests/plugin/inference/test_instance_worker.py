from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import count
from queue import SimpleQueue

from resnet_fixtures.inference.instance_worker import HALT, STEP, repeat_steps

LISTENER = """
import time
from queue import SimpleQueue
from threading import Thread
from resnet_fixtures.inference.instance_worker import listen, take_standard_output
reports = take_standard_output()
commands = SimpleQueue()
Thread(target=listen, args=(commands,), daemon=True).start()
print("a library's chatter", flush=True)
reports.write(commands.get())
{ending}
"""


def start_listener(ending: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", LISTENER.format(ending=ending)],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_steps_repeat_until_a_command_arrives_and_are_all_told() -> None:
    commands: SimpleQueue[bytes] = SimpleQueue()
    steps: list[int] = []
    reports: list[bytes] = []

    def step() -> None:
        steps.append(len(steps))
        if len(steps) == 3:
            commands.put(HALT)

    line = repeat_steps(step, commands, lambda: reports.append(STEP), count(100, 10).__next__)
    assert line.endswith(b"}\n")
    assert json.loads(line) == {"starts_ns": [100, 120, 140], "ends_ns": [110, 130, 150]}
    assert reports == [STEP] * len(steps) == [STEP] * 3
    assert commands.empty()  # the next free run waits for a command of its own


def test_reporting_a_step_is_no_part_of_its_time() -> None:
    commands: SimpleQueue[bytes] = SimpleQueue()
    clock = count()

    def report() -> None:
        next(clock)
        commands.put(HALT)

    assert json.loads(repeat_steps(lambda: None, commands, report, clock.__next__)) == {
        "starts_ns": [0],
        "ends_ns": [1],
    }


def test_chatter_on_standard_output_does_not_mix_with_the_reports() -> None:
    with start_listener("") as listener:
        assert listener.stdin
        assert listener.stdout
        assert listener.stderr
        listener.stdin.write(b"go\n")
        assert listener.stdout.read() == b"go\n"
        assert listener.stderr.read() == b"a library's chatter\n"
        assert listener.wait(30) == 0


def test_process_ends_with_its_input_in_the_middle_of_its_work() -> None:
    with start_listener("time.sleep(60)") as listener:
        assert listener.stdin
        assert listener.stdout
        listener.stdin.write(b"go\n")
        assert listener.stdout.readline() == b"go\n"
        start = time.monotonic()
        listener.stdin.close()
        assert listener.wait(30) == 0
        assert time.monotonic() - start < 5


def test_process_dies_of_its_own_error_while_its_input_is_open() -> None:
    with start_listener("raise ValueError('own error')") as listener:
        assert listener.stdin
        assert listener.stderr
        listener.stdin.write(b"go\n")
        assert listener.wait(30) == 1
        assert listener.stderr.read().endswith(b"ValueError: own error\n")
