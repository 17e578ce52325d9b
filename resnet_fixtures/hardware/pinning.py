"""Hold a process to its CPUs and its environment for a while."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.cpu_list import format_cpu_list

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, MutableMapping


def pin(cpus: Collection[int], tasks: Path = Path("/proc/self/task")) -> frozenset[int]:
    """Bind every thread of this process to these CPUs and return the calling thread's earlier ones.

    Threads that start later inherit it. Where the system cannot pin (macOS), nothing happens and the answer is empty.
    Raises InputError when the kernel refuses the CPUs.
    """
    if not hasattr(os, "sched_setaffinity"):
        return frozenset()
    earlier = frozenset(os.sched_getaffinity(0))
    try:
        for thread in _list_threads(tasks):
            with suppress(ProcessLookupError):  # it ended in between
                os.sched_setaffinity(thread, cpus)
    except OSError as error:
        raise InputError(
            f"This process cannot be pinned to CPUs {format_cpu_list(cpus)} ({error.strerror}); "
            f"choose among {format_cpu_list(earlier)} with --socket-id and --num-cores."
        ) from error
    return earlier


def _list_threads(tasks: Path) -> list[int]:
    """List the thread ids; 0, the calling thread, where /proc is not mounted."""
    try:
        return [int(task.name) for task in tasks.iterdir()]
    except FileNotFoundError:
        return [0]


@contextmanager
def pinned(cpus: Collection[int], tasks: Path = Path("/proc/self/task")) -> Iterator[None]:
    """Bind this process to these CPUs and give it back its earlier ones at the end."""
    earlier = pin(cpus, tasks)
    try:
        yield
    finally:
        pin(earlier, tasks)


@contextmanager
def with_environment(values: Mapping[str, str], environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """Set these environment variables and put back what was there before at the end."""
    earlier = {name: environ.get(name) for name in values}
    environ.update(values)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
