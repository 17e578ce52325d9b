"""Lines and progress bars that reach the terminal while a test runs, although pytest captures its output."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


class LiveTerminal:
    """Writes past pytest's capture; silent where there is no terminal reporter, as in an xdist worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._manager = config.pluginmanager

    def write(self, line: str) -> None:
        """Write a line of its own."""
        reporter = self._manager.get_plugin("terminalreporter")
        if reporter is not None:
            with self.uncaptured():
                reporter.ensure_newline()
                reporter.write_line(line)

    def announce(self, what: str) -> None:
        """Write a line that says what the suite is doing."""
        self.write(f"resnet_fixtures: {what}")

    @contextmanager
    def uncaptured(self) -> Iterator[None]:
        """Let output pass for a while."""
        capture = self._manager.get_plugin("capturemanager")
        if capture is None:
            yield
        else:
            with capture.global_and_fixture_disabled():
                yield
