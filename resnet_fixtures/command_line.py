"""Keep pytest from taking the folder of `--data-location DIR`, or another option's path, for a place of tests.

pytest looks for its settings before it has loaded plugins. It does not know our options yet, takes their values for
test paths, and a path outside the project moves its root there: no pytest.ini, other test ids. Written with an equals
sign, a value cannot be mistaken.
"""

from __future__ import annotations

import itertools
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_fixtures.errors import InputError
from resnet_fixtures.paths import exists

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

PATH_OPTIONS = (
    "--data-location", "--in-graph", "--output-dir", "--checkpoint", "--tensorboard",
    "--gate-baseline", "--against", "--against-graph",
)  # fmt: skip


def restart_with_joined_paths(config: pytest.Config) -> None:
    """Start this process anew with equals signs if it is pytest's command line and a path would be mistaken."""
    given = list(config.invocation_params.args)
    if mistaken_paths(given, config.invocation_params.dir) and sys.argv[1:] == given:
        sys.stdout.flush()
        sys.stderr.flush()
        command = [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(given)], *join_paths(given)]
        os.execv(sys.executable, command)  # noqa: S606 - the same program with the same arguments


def refuse_mistaken_paths(config: pytest.Config) -> None:
    """Raise an InputError for a path that has been mistaken already, where nothing could be started anew."""
    for option, path in mistaken_paths(list(config.invocation_params.args), config.invocation_params.dir):
        raise InputError(f"pytest took {path} for a folder of tests: write {option}={path}.")


def mistaken_paths(arguments: Sequence[str], folder: Path) -> list[tuple[str, str]]:
    """Return the options, with their values, that name an existing path outside `folder` as an argument of its own."""
    pairs = itertools.pairwise(arguments)
    return [(option, path) for option, path in pairs if option in PATH_OPTIONS and _is_outside(folder / path, folder)]


def join_paths(arguments: Sequence[str]) -> list[str]:
    """Write every `--option PATH` as `--option=PATH`."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in PATH_OPTIONS:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _is_outside(path: Path, folder: Path) -> bool:
    """Tell it as pytest does, which does not follow links; what may not be looked at is not there for it."""
    return exists(path) and not Path(os.path.abspath(path)).is_relative_to(folder)  # noqa: PTH100
