"""Become another program that dies with its parent: `python -m resnet_fixtures.training.leash KILL -- command…`.

The kernel sends the signal when the parent is gone, even by SIGKILL (prctl's PR_SET_PDEATHSIG, Linux alone; elsewhere
nothing happens). So ranks do not outlive their mpirun, nor mpirun the pytest process, and a checkpoint's lock is free.
`--cpus 0-6/7-13` pins the process to the list of its place among the ranks of its host.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

from resnet_fixtures.hardware.cpu_list import format_cpu_list, parse_cpu_list
from resnet_fixtures.hardware.pinning import pin

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

PR_SET_PDEATHSIG = 1
RANK_MARK = "@resnet_fixtures rank "


def leash_command(
    signal_name: str, command: Sequence[str], cpus: Sequence[Collection[int]] = (), *, is_rank: bool = True
) -> list[str]:
    """Return the command that becomes `command`, pinned to the one of `cpus` that belongs to its local rank."""
    pins = ["--cpus", "/".join(map(format_cpu_list, cpus))] if cpus else []
    rank = ["--rank"] if is_rank else []
    return [sys.executable, "-m", "resnet_fixtures.training.leash", signal_name, *rank, *pins, "--", *command]


def main(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> None:
    """Tie this process to its parent, pin it, say which rank it is, and become the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("signal", choices=("KILL", "TERM"))
    parser.add_argument("--rank", action="store_true")
    parser.add_argument("--cpus", type=lambda text: text.split("/"), default=[])
    end = list(arguments).index("--")  # argparse would take the command's own -- for this one
    given, command = parser.parse_args(arguments[:end]), list(arguments[end + 1 :])
    tie_to_parent(signal.Signals[f"SIG{given.signal}"])
    if given.cpus:
        pin(parse_cpu_list(given.cpus[int(environ.get("OMPI_COMM_WORLD_LOCAL_RANK", "0"))]))
    if given.rank:
        rank = environ.get("OMPI_COMM_WORLD_RANK", "0")
        sys.stderr.write(f"{RANK_MARK}{rank} on {socket.gethostname()}, process {os.getpid()}\n")
        sys.stderr.flush()
    os.execvp(command[0], command)  # noqa: S606 - the command is the caller's


def tie_to_parent(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent ends, and end if it has ended already."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


if __name__ == "__main__":
    main(sys.argv[1:])
