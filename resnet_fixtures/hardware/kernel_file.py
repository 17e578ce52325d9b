"""Small text files in which the kernel tells about itself: /proc, /sys and cgroups."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

CPUS = "sys/devices/system/cpu"


def read_text(path: Path) -> str:
    """Read one such file, stripped; empty where it is missing or closed to us, which is normal in containers."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def read_number(path: Path) -> int | None:
    """Read a file that holds one whole number; None where it holds none."""
    try:
        return int(read_text(path))
    except ValueError:
        return None
