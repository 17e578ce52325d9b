"""The other side of beside.py: a pytest plugin that runs the items of a list and tells their reports."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.plugin.beside import ITEMS, PIPE

WANTED = pytest.StashKey[frozenset[str]]()


class Teller:
    """Tells each report as a line of JSON."""

    def __init__(self, config: pytest.Config, pipe: int) -> None:
        self._config = config
        self._pipe = pipe
        os.set_inheritable(pipe, False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell a report."""
        fields = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        line = json.dumps(fields, default=str).encode() + b"\n"
        while line:
            line = line[os.write(self._pipe, line) :]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the list, and listen to the reports of this run alone, not to those of runs that its tests make."""
    config.stash[WANTED] = frozenset(json.loads(Path(os.environ[ITEMS]).read_text()))
    config.pluginmanager.register(Teller(config, int(os.environ[PIPE])))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the items of the list."""
    items[:] = [item for item in items if item.nodeid in config.stash[WANTED]]
