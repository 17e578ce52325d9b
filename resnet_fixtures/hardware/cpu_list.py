"""The kernel's notation for a set of CPUs: "0-3,8"."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_cpu_list(text: str) -> frozenset[int]:
    """Turn "0-3,8" into {0, 1, 2, 3, 8}; an empty text is the empty set."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def format_cpu_list(cpus: Iterable[int]) -> str:
    """Turn {0, 1, 2, 3, 8} into "0-3,8"."""
    # CPUs that follow each other keep the same distance to their place in the sorted list.
    runs = groupby(enumerate(sorted(set(cpus))), key=lambda item: item[1] - item[0])
    return ",".join(_format_run([cpu for _, cpu in run]) for _, run in runs)


def _format_run(run: list[int]) -> str:
    return str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}"
