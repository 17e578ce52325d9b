"""Programs that a test needs and a machine may lack."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest


def find_program(name: str) -> str:
    """Give a program's path, beside this Python or on PATH; the test is skipped where it is not installed."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found
