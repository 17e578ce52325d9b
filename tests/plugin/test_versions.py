from __future__ import annotations

import platform
from importlib.metadata import version

from resnet_fixtures.versions import library_versions, result_versions


def test_installed_and_absent_distributions() -> None:
    assert library_versions(("pytest", "no-such-distribution")) == {
        "pytest": version("pytest"),
        "no-such-distribution": None,
    }


def test_result_names_python_and_what_it_depends_on() -> None:
    versions = result_versions()
    assert list(versions) == ["python", "tensorflow", "keras", "numpy", "resnet-fixtures"]
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == version("numpy")
