"""Let processes take turns at the same work (A B C A B C …): one computes while the others wait."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def alternate(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """Start every contestant, and return the seconds of a step in each of its turns; their commands end in `serve`."""
    contestants: dict[str, subprocess.Popen[str]] = {}
    try:
        for name, command in commands.items():
            contestants[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            take_turn(contestants[name])  # warms up, alone
        turns = [{name: take_turn(process) for name, process in contestants.items()} for _ in range(rounds)]
    finally:
        for process in contestants.values():
            process.kill()
            process.wait()
    return {name: [turn[name] for turn in turns] for name in commands}


def take_turn(process: subprocess.Popen[str]) -> float:
    """Let a contestant run its steps and return the seconds of one."""
    assert process.stdin is not None
    assert process.stdout is not None
    print("go", file=process.stdin, flush=True)
    for line in process.stdout:
        if line.startswith("seconds "):
            return float(line.split()[1])
    raise SystemExit(f"a contestant ended with status {process.wait()}")


def serve(run_steps: Callable[[], object], steps: int) -> None:
    """Be a contestant: run a turn, so many steps, for each line on standard input, after one that does not count."""
    run_steps()
    for _ in sys.stdin:
        start_s = time.perf_counter()
        run_steps()
        print("seconds", (time.perf_counter() - start_s) / steps, flush=True)


def repeat(step: Callable[[], object], steps: int) -> Callable[[], object]:
    """Return a function that runs a step so many times."""
    return lambda: [step() for _ in range(steps)]
