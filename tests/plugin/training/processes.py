"""Which processes there are, and whether they go away."""

from __future__ import annotations

import time
from pathlib import Path

LIMIT_S = 30.0


def list_processes() -> list[tuple[int, int]]:
    """List the ids of all processes with their parents'; a zombie, whom maybe nobody collects, is dead."""
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            processes.append((int(folder.name), int(parent)))
    return processes


def children_of(parent: int) -> set[int]:
    """List the processes below this one, however deep."""
    processes = list_processes()
    found, below = {parent}, {parent}
    while below:
        below = {pid for pid, one in processes if one in below}
        found |= below
    return found - {parent}


def expect_death(pids: set[int]) -> None:
    """Wait until all are gone, for LIMIT_S at most."""
    assert pids
    end_s = time.monotonic() + LIMIT_S
    while alive := pids & {pid for pid, _ in list_processes()}:
        assert time.monotonic() < end_s, f"{alive} still run after {LIMIT_S} s"
        time.sleep(0.05)
