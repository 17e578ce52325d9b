"""A virtual environment that shows some of this one's distributions and what they need, without an installation."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable


def make_environment(folder: Path, *distributions: str) -> Path:
    """Make the environment and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for source in list_files(close(distributions)):
        target = packages / source.name
        if not target.exists():
            target.symlink_to(source)
    return folder / "bin" / "python"


def close(names: Iterable[str]) -> set[str]:
    """Add what is installed of the distributions' requirements, and of theirs."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            requirements = [Requirement(text) for text in distribution(name).requires or ()]
        except PackageNotFoundError:
            continue
        found.add(name)
        waiting += [one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


def list_files(names: Iterable[str]) -> set[Path]:
    """List the files and folders of the distributions at the top of site-packages."""
    paths = {
        (Path(str(one.locate_file(""))), file.parts[0])
        for one in map(distribution, names)
        for file in one.files or ()
        if file.parts[0] not in ("..", "__pycache__")
    }
    return {folder / name for folder, name in paths}
