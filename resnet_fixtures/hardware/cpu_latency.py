"""How long a core may take to wake up: Linux's PM QoS request, held while a run measures.

Binary 32-bit microseconds in one device file, see Linux's Documentation/power/pm_qos_interface.rst. The cyclictest of
rt-tests holds 0 by default, on every machine.
"""

from __future__ import annotations

import os
import struct
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.kernel_file import CPUS, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE = "dev/cpu_dma_latency"
NO_LIMIT_US = 2_000_000_000  # PM_QOS_CPU_LATENCY_DEFAULT_VALUE of linux/pm_qos.h
_DRIVER = f"{CPUS}/cpuidle/current_driver"
_HALTING_DRIVER = "haltpoll"  # of virtual machines: a core that halts is left to the host, which wakes it up again
_INT32 = struct.Struct("=i")


def choose_cpu_latency_limit(requested: int | Literal["system"] | None, root: Path = Path("/")) -> int | None:
    """Return the limit to hold in microseconds, None for none ("system").

    Where nobody asked, cores of a virtual machine are kept awake if this process may do that. On bare metal it would
    heat cores that have nothing to do, at the expense of the others' clock, and they wake up in a microsecond or two.
    """
    if requested == "system":
        return None
    if requested is None and read_text(root / _DRIVER) == _HALTING_DRIVER and _may_limit(root):
        return 0
    return requested


@contextmanager
def cpu_latency_limit(limit_us: int | None, root: Path = Path("/")) -> Iterator[None]:
    """Keep every core of the machine out of the sleep states that it takes longer to leave; 0 keeps cores awake.

    None asks for nothing.
    The kernel forgets the request with the process that holds it, however that ends. Raises InputError where it takes
    none: without the right to it (root's, as a rule), without the device, or without an idle driver that heeds it.
    """
    if limit_us is None:
        yield
        return
    option = f"--cpu-dma-latency {limit_us}"
    _check_use(option, limit_us, root)
    with ExitStack() as stack:
        try:
            device = os.open(root / DEVICE, os.O_WRONLY)
            stack.callback(os.close, device)
            os.write(device, _INT32.pack(limit_us))
        except OSError as error:
            raise InputError(
                f"{option} needs to write to {root / DEVICE} ({error.strerror}): run as root, or leave the option out."
            ) from error
        yield


def read_cpu_latency_limit(root: Path = Path("/")) -> int | None:
    """Read the microseconds that hold now, the shortest that any process asked for; None for no limit, or unknown."""
    try:
        limit_us = int(_INT32.unpack((root / DEVICE).read_bytes())[0])
    except (OSError, struct.error):
        return None
    return limit_us if limit_us < NO_LIMIT_US else None


def _check_use(option: str, limit_us: int, root: Path) -> None:
    if limit_us >= NO_LIMIT_US:
        raise InputError(f"{option} limits nothing: pass fewer microseconds, or leave the option out.")
    if read_text(root / _DRIVER) in {"", "none"}:
        raise InputError(f"{option} has no effect, as this kernel has no idle driver: leave the option out.")


def _may_limit(root: Path) -> bool:
    """Try to open the device, which asks for nothing yet: permission bits do not tell what a container forbids."""
    try:
        os.close(os.open(root / DEVICE, os.O_WRONLY))
    except OSError:
        return False
    return True
