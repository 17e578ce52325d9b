"""Versions of what a result depends on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

REPORTED = ("tensorflow", "keras", "numpy", "resnet-fixtures")


def library_versions(distributions: tuple[str, ...]) -> dict[str, str | None]:
    """Return the installed version of each distribution, None where it is absent."""
    return {name: _installed_version(name) for name in distributions}


def result_versions() -> dict[str, str | None]:
    """Return the versions that go with every result, Python's included."""
    return {"python": platform.python_version(), **library_versions(REPORTED)}


def _installed_version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
