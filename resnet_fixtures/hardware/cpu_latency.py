"""How long a core may take to wake up: Linux's PM QoS request, held while a run measures.

Binary 32-bit microseconds in one device file, see Linux's Documentation/power/pm_qos_interface.rst.
"""

from __future__ import annotations

import os
import struct
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.hardware.kernel_file import CPUS, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICE = "dev/cpu_dma_latency"
NO_LIMIT_US = 2_000_000_000  # PM_QOS_CPU_LATENCY_DEFAULT_VALUE of linux/pm_qos.h
_INT32 = struct.Struct("=i")


@contextmanager
def cpu_latency_limit(limit_us: int, root: Path = Path("/")) -> Iterator[None]:
    """Keep every core of the machine out of the sleep states that it takes longer to leave; 0 keeps cores awake.

    The kernel forgets the request with the process that holds it, however that ends. Raises InputError where it takes
    none: without the right to it (root's, as a rule), without the device, or without an idle driver that heeds it.
    """
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
    if read_text(root / CPUS / "cpuidle/current_driver") in {"", "none"}:
        raise InputError(f"{option} has no effect, as this kernel has no idle driver: leave the option out.")
